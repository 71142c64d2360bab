/* A processor with AVX2 only, out of one with more: CPUID answers without AVX-512, VNNI and AMX.
 *
 *     cc -O2 -shared -fPIC -o hide_cpuid.so hide_cpuid.c && LD_PRELOAD=./hide_cpuid.so COMMAND
 *
 * Libraries choose their kernels by the CPUID instruction, so at native speed they then run what they run on such a
 * processor.  Linux can let CPUID fault in user space (arch_prctl ARCH_SET_CPUID, flag "cpuid_fault" in
 * /proc/cpuinfo); the handler of that fault asks the real instruction and takes bits out of its answer.  Threads inherit
 * the setting, and each program that is started meets this library anew.  A handler of SIGSEGV that the program
 * sets for itself gets every other fault.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef ARCH_SET_CPUID
#define ARCH_SET_CPUID 0x1012
#endif
#define BIT(number) (1u << (number))

enum { EAX, EBX, ECX, EDX };

typedef int (*set_handler)(int, const struct sigaction *, struct sigaction *);

static struct sigaction others; /* what the program wants done with faults */

static int set_real_handler(int signal_number, const struct sigaction *wanted, struct sigaction *before) {
  set_handler real = (set_handler)dlsym(RTLD_NEXT, "sigaction");
  return real(signal_number, wanted, before);
}

int sigaction(int signal_number, const struct sigaction *wanted, struct sigaction *before) {
  if (signal_number != SIGSEGV) return set_real_handler(signal_number, wanted, before);
  if (before) *before = others;
  if (wanted) others = *wanted;
  return 0;
}

static void ask(uint32_t leaf, uint32_t part, uint32_t *answer) {
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
  __asm__ volatile("cpuid"
                   : "=a"(answer[EAX]), "=b"(answer[EBX]), "=c"(answer[ECX]), "=d"(answer[EDX])
                   : "a"(leaf), "c"(part));
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
}

/* Bits are those of Intel's manual, volume 2A, CPUID. */
static void hide(uint32_t leaf, uint32_t part, uint32_t *answer) {
  if (leaf == 7 && part == 0) {
    /* AVX512: F DQ IFMA PF ER CD BW VL */
    answer[EBX] &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
    /* AVX512: VBMI VBMI2 VNNI BITALG VPOPCNTDQ */
    answer[ECX] &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
    /* AVX512: 4VNNIW 4FMAPS VP2INTERSECT FP16; AMX: BF16 TILE INT8 */
    answer[EDX] &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
  } else if (leaf == 7 && part == 1) {
    /* AVX-VNNI, AVX512-BF16, AMX-FP16, AVX-IFMA */
    answer[EAX] &= ~(BIT(4) | BIT(5) | BIT(21) | BIT(23));
    /* AVX-VNNI-INT8, AVX-NE-CONVERT, AMX-COMPLEX, AVX-VNNI-INT16, AVX10 */
    answer[EDX] &= ~(BIT(4) | BIT(5) | BIT(8) | BIT(10) | BIT(19));
  } else if (leaf == 0xd && part == 0) {
    answer[EAX] &= 0x7; /* registers to save: x87, SSE, AVX */
  } else if (leaf == 0x1d || leaf == 0x1e || leaf == 0x24) {
    memset(answer, 0, 4 * sizeof *answer); /* tiles, AVX10 */
  }
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const uint8_t *code = (const uint8_t *)registers[REG_RIP];
  if (info->si_code == SI_KERNEL && code[0] == 0x0f && code[1] == 0xa2) {
    uint32_t answer[4], leaf = (uint32_t)registers[REG_RAX], part = (uint32_t)registers[REG_RCX];
    ask(leaf, part, answer);
    hide(leaf, part, answer);
    registers[REG_RAX] = answer[EAX];
    registers[REG_RBX] = answer[EBX];
    registers[REG_RCX] = answer[ECX];
    registers[REG_RDX] = answer[EDX];
    registers[REG_RIP] += 2;
    return;
  }
  if (others.sa_flags & SA_SIGINFO && others.sa_sigaction) {
    others.sa_sigaction(signal_number, info, context);
    return;
  }
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

__attribute__((constructor)) static void start(void) {
  struct sigaction ours;
  memset(&ours, 0, sizeof ours);
  ours.sa_sigaction = on_fault;
  ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  set_real_handler(SIGSEGV, &ours, &others);
  if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0) {
    perror("hide_cpuid: this processor or kernel cannot let CPUID fault");
    exit(2);
  }
}
