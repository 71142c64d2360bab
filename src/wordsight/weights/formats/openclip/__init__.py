"""open_clip's files and hub folders, and every tower they may hold."""
