"""Questions about labelled pictures, and which pictures are right answers: for `match.py` beside this file.

    questions("flickr", records)        # list of Question; `right` int8 (N,): 1 right, 0 wrong, -1 nobody can say

Photos: five captions each say what is there.  Products: the shop's own attributes say it.  Pictures with classes: the
classes do.  Every set is also asked for what none of its pictures shows, for gibberish, and in other languages.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Described = Mapping[str, Any]  # captions, class and other columns of one picture


@dataclass(frozen=True, slots=True)
class Question:
    """`kind`: present, absent (no right answer), caption, gibberish, language, image; `right` int8 (N,).

    `itself`: of an image of the set its number, as a list of one, for it is no answer to itself.
    """

    text: str
    kind: str
    right: NDArray[np.int8]
    itself: list[int] = field(default_factory=list)


PHOTO_QUESTIONS = """\
dog; two dogs; dog in the snow; dog on the beach; dog swimming; brown dog; black dog; white dog; dog with a ball
dog jumping; dog with a stick in its mouth; puppy; dog running through grass; dog on a leash; greyhound race; man
woman; boy; girl; baby; child; people; crowd; man on a bike; bicycle; motorcycle; motocross rider in the mud
skateboarder; skateboard trick on a ramp; surfer; surfer on a wave; snowboarder; skier; snow; beach; ocean; lake
river; waterfall; mountain; rock climber; cliff; hiker with a backpack; tent; canoe; kayak; boat
raft in white water; swimming pool; child in a swimming pool; boy jumping into water; soccer; girls playing soccer
football player; american football game; basketball player; baseball player; tennis player; hockey; rugby; race
horse; horse jumping; horse racing; cow; bird; bird over water; cat; car; race car; bus; train; truck; street
city street at night; subway; building; bridge; fountain; playground; swing; slide; trampoline; bubbles; hat
cowboy hat; helmet; sunglasses; red shirt; blue shirt; yellow shirt; green shirt; pink dress; red dress
white dress; blue jacket; red jacket; orange vest; black coat; wedding; bride; guitar; man playing guitar
band on a stage; dancing; costume; mask; face paint; umbrella; bench; man sitting on a bench; woman reading a book
phone; camera; man with a camera; food; eating; drinking; ice cream; birthday cake; fire; campfire; fishing; sand
sand castle; sunset; forest; trees; field; flowers; garden; fence; stairs; graffiti; window; couch; bed; sleeping
laughing; crying; smiling girl; jumping in the air; bathing suit; bikini; jeans; tattoo; beard; blond woman
asian woman; old man; flag; parade; restaurant; market; ice skating; sled; snowball; puddle
child playing in the mud; frisbee; dog catching a frisbee; tennis ball; toy; balloon; stuffed animal; leaves; rope
boxing; gymnast; cheerleaders; karate; bowling; golf; rollerblades; scooter; wheelchair; stroller; helicopter
airplane; tractor; elephant; monkey; sheep; goat; duck; turtle; fish"""

PRODUCT_THINGS = {
    "t-shirt": ("Tshirts", "Tops Shirts"),
    "shirt": ("Shirts", "Tshirts Tops Kurtas Tunics Kurtis"),
    "top": ("Tops", "Tshirts Shirts Tunics Kurtis Shrug"),
    "shoes": (
        "Casual_Shoes Sports_Shoes Formal_Shoes Heels Flats",
        "Sandals Flip_Flops Sports_Sandals Shoe_Accessories",
    ),
    "sports shoes": ("Sports_Shoes", "Casual_Shoes"),
    "leather shoes": ("Formal_Shoes", "Casual_Shoes Flats Heels Sports_Shoes Sandals"),
    "high heels": ("Heels", "Flats Sandals"),
    "sandals": ("Sandals Sports_Sandals", "Flip_Flops Flats Heels"),
    "flip flops": ("Flip_Flops", "Sandals Flats"),
    "watch": ("Watches", "Accessory_Gift_Set"),
    "sunglasses": ("Sunglasses", ""),
    "handbag": ("Handbags", "Clutches Messenger_Bag Laptop_Bag Duffel_Bag Backpacks Mobile_Pouch Wallets Waist_Pouch"),
    "backpack": ("Backpacks Rucksacks", "Laptop_Bag Duffel_Bag Messenger_Bag Handbags"),
    "wallet": ("Wallets", "Clutches Mobile_Pouch Accessory_Gift_Set"),
    "belt": ("Belts", "Accessory_Gift_Set"),
    "tie": ("Ties", "Accessory_Gift_Set"),
    "cap": ("Caps Hat", "Headband"),
    "socks": ("Socks", "Stockings"),
    "jeans": ("Jeans", "Trousers Capris Track_Pants"),
    "trousers": ("Trousers Track_Pants", "Jeans Capris Lounge_Pants Leggings Churidar Tracksuits"),
    "shorts": ("Shorts Lounge_Shorts", "Capris Trunk Boxers Briefs"),
    "skirt": ("Skirts", "Dresses"),
    "dress": ("Dresses", "Tunics Kurtas Kurtis Tops Skirts Sarees"),
    "kurta": ("Kurtas Kurtis Kurta_Sets", "Tunics Tops Shirts"),
    "jacket": ("Jackets", "Sweatshirts Sweaters Waistcoat Tracksuits Shrug"),
    "sweater": ("Sweaters", "Sweatshirts Jackets Shrug"),
    "hooded sweatshirt": ("Sweatshirts", "Sweaters Jackets Tracksuits"),
    "underwear": ("Briefs Trunk Innerwear_Vests Bra Boxers", "Shorts Lounge_Shorts"),
    "scarf": ("Scarves Mufflers Stoles", "Dupatta"),
    "bottle of perfume": ("Perfume_and_Body_Mist", "Deodorant Fragrance_Gift_Set"),
    "deodorant": ("Deodorant", "Perfume_and_Body_Mist Fragrance_Gift_Set"),
    "cufflinks": ("Cufflinks", "Accessory_Gift_Set"),
    "umbrella": ("Umbrellas", ""),
    "gloves": ("Gloves", ""),
    "football": ("Footballs", ""),
    "leggings": ("Leggings Tights", "Stockings Churidar Capris Track_Pants"),
    "necklace": ("Necklace_and_Chains", "Free_Gifts"),
    "saree": ("Sarees", "Dupatta Kurtas Dresses"),
}  # words: (types that are right, types of which one cannot say)
PRODUCT_COLOURS = {
    "red": ("Red", "Maroon Burgundy Rust Magenta Pink Multi Orange NA"),
    "blue": ("Blue Navy_Blue Turquoise_Blue", "Teal Multi Purple NA"),
    "black": ("Black", "Charcoal Navy_Blue Grey Multi NA"),
    "white": ("White Off_White", "Cream Beige Silver Multi NA Skin Nude Grey"),
    "green": ("Green Fluorescent_Green Sea_Green", "Olive Teal Khaki Multi NA"),
    "yellow": ("Yellow Mustard", "Gold Orange Multi Cream NA"),
    "pink": ("Pink", "Magenta Peach Mauve Lavender Purple Red Multi NA Nude"),
    "brown": ("Brown Coffee_Brown", "Tan Rust Bronze Copper Beige Khaki Taupe Maroon Multi NA Mustard"),
    "grey": ("Grey Grey_Melange Charcoal", "Silver Steel Black White Taupe Multi NA Metallic"),
    "purple": ("Purple Lavender Mauve", "Magenta Pink Maroon Blue Multi NA Burgundy"),
    "orange": ("Orange", "Rust Red Peach Copper Yellow Multi NA Tan"),
}
# words: those of types of which one cannot say
FURNITURE = """\
table: tables desk|chair: chairs armchair rocking-chair stool|armchair: chair|rug: mat carpet
box: boxes storage basket crate|lamp: spotlight light lighting lampshade shade chandelier lantern
ceiling lamp: pendant chandelier lamp|cabinet: combination unit|picture frame: frame picture mirror
cushion: cover pillow pad|door: doors front|wardrobe: cabinet combination door pax|bench: seat|towel: washcloth
shelf: shelving rack ledge bookcase unit|bowl: dish|sofa: sofa-bed chaise footstool armchair seat section
chest of drawers: drawer drawers|plant pot: pot planter plant|basket: box|soft toy: toy toys
curtains: curtain blind drape|stool: step-stool footstool chair|tap: mixer|vase: jug carafe
oven: microwave stove hob|cot: crib bed|plate: dish plates|clock: alarm|bookcase: shelf shelving
glass: glasses carafe|mirror: cabinet|bed: cot sofa-bed bedspread headboard|mug: cup|desk: table|bucket: bin
candle: candlestick tealight|knife: knives cutlery|pillow: cushion pillowcase|frying pan: pan pot wok"""
FURNITURE_COLOURS = (
    "white: off|black: dark|grey: dark silver|red: pink|blue: turquoise|green: |yellow: |pink: red|brown: black"
)
IN_SHOPS = "handbag; watch; wallet; belt; socks; flip flops; cufflinks; tie; deodorant; sandals; high heels"
WORN = frozenset(
    """\
hat helmet sunglasses shirt dress jacket vest coat suit bikini jeans backpack umbrella man woman boy girl people baby
child football bag ball phone smiling""".split()
)  # words of photos that a shop's pictures show too
ABSENT = """\
unicorn; spreadsheet; passport; x-ray of a chest; dinosaur skeleton; submarine; chess board; piano keyboard
sheet music; circuit diagram; satellite picture of a storm; pie chart; screenshot of a website
map of the underground; tax form; credit card; microscope slide; galaxy; volcano eruption; jellyfish; penguin
kangaroo; crocodile; octopus; toaster; washing machine; dishwasher; refrigerator; screwdriver; chainsaw
wind turbine; nuclear power plant; oil rig; spaceship; robot arm; sushi; pizza with olives; bowl of spaghetti
bunch of grapes; pineapple; pumpkin pie; wine bottle on a table; loaf of bread; cauliflower; cactus
cherry blossom; bonsai; honeycomb; spider web; snail; owl; parrot in a cage; zebra; lighthouse; pyramid
stained glass window; cathedral interior; igloo; castle on a hill; empty office; hospital bed; operating theatre
dentist; courtroom; chandelier; grand staircase; wedding cake; coffee machine; laptop on a desk; printer
server room; light bulb; candle; vase with tulips; persian carpet; bunk bed; bathtub; toilet; kitchen sink
bookshelf; globe; violin; saxophone; harp; drum kit; trumpet player; ballet dancer on stage; sumo wrestler
fencing match; bull fight; chess player thinking; astronaut on the moon; scuba diver with a shark
knight in armour; pope; roman soldier; mermaid; dragon; vampire; zombie; hieroglyphs; barcode; invoice
birth certificate; handwritten letter; crossword puzzle; playing cards; dice; banknotes; gold bars; diamond ring
steam locomotive; cable car; gondola in venice; hot air balloon; parachute; satellite dish
traffic jam on a motorway; petrol station; car engine; bulldozer; cement mixer; combine harvester
greenhouse with tomatoes; beehive; fish market; aquarium"""
GIBBERISH = """\
xkqz; dfgdfg; brumble flarn; 8271; qqqq; the of and; splorg; ghjk; zxcv bnm; nnnn mmm; wibble wobble; %%%; a1b2c3
IMG_0042; tlön uqbar; vrmpf; iiiii; klop dop mop; 00:00; --"""
LANGUAGES = """\
einhornbuch; ein alter Leuchtturm; Steuererklärung; une licorne; feuille de calcul; una hoja de cálculo
un unicornio azul; un foglio di carta; een eenhoorn; kalkylark; yksisarvinen; единорог; таблица; 独角兽; ユニコーン
유니콘; kỳ lân; وحيد القرن; जिराफ़; μονόκερος"""  # of what no picture of the sets shows
ALIKE = """\
man men guy guys male males gentleman|woman women lady ladies female females|boy boys|girl girls
baby babies infant toddler|child children kid kids boy boys girl girls toddler baby
people person persons man men woman women boy boys girl girls child children kids group crowd couple player players team
dog dogs puppy puppies greyhound greyhounds poodle collie labrador retriever terrier|puppy puppies
bike bikes bicycle bicycles bicyclist bicyclists biker bikers cyclist cyclists cycling biking bmx
bicycle bicycles bike bikes bicyclist cyclist cyclists biker bikers bmx cycling biking
motorcycle motorcycles motorbike motorcyclist motocross motorbikes|motocross motorcycle motorbike dirtbike
skateboarder skateboarders skateboard skateboarding skateboards skater
skateboard skateboarder skateboarding skater|surfer surfers surfing surfboard surfs surf
snowboarder snowboarders snowboard snowboarding|skier skiers skiing skis ski|snow snowy|beach shore seashore
ocean sea waves wave beach|wave waves surf|river stream creek rapids|mountain mountains mountainside
climber climbers climbing climbs climb|rock rocks rocky boulder cliff|cliff cliffs rock|hiker hikers hiking hike
tent tents|canoe kayak canoeing kayaks kayaker|kayak kayaker kayaking canoe kayaks
boat boats canoe kayak raft sailboat ship|raft rafting rafts|pool|swimming swims swim pool swimmer|soccer|football
basketball|baseball|tennis|hockey|race racing races racer racetrack|horse horses pony horseback
cow cows bull bulls|bird birds seagull seagulls duck ducks geese|cat cats kitten|car cars|bus buses|train trains
truck trucks|street road sidewalk city|city street urban downtown|subway train|building buildings house
jumping jump jumps leaping leaps midair leap jumped|running runs run races chasing|hat hats cap cowboy
helmet helmets|sunglasses glasses|shirt shirts tshirt top jersey|dress dresses gown|jacket jackets coat
coat coats jacket|vest|wedding bride groom|bride wedding|guitar guitars guitarist|band musicians stage concert
stage concert|dancing dance dancer dancers dances|costume costumes dressed|mask masks masked
phone cellphone phones telephone|camera photographer picture photo|eating eat eats food meal|food eating meal
drinking drink drinks|sand sandy beach|forest woods trees wooded|trees tree woods forest|field grass grassy
grass grassy field lawn yard|flowers flower|stairs steps staircase|couch sofa|sleeping sleeps asleep sleep lying
laughing laughs laugh smiling|smiling smiles smile laughing|suit suits swimsuit|bikini bikinis bathing
blond blonde|old elderly older|flag flags|leaves leaf|ball balls|stick sticks branch|mouth|leash|toy toys
balloon balloons|stuffed|mud muddy dirt|puddle|skating skate skates skater skaters|fishing fish fisherman
fire flames|ice icy|market stand vendor|rope ropes|bubbles bubble|playground slide swing swings
swing swings swinging|slide slides sliding|water pool ocean lake river wave waves splash splashing|brown tan|white
black|orange|yellow|pink|red|garden yard|graffiti|window windows|bench|bridge|fountain|sled sledding
player players playing|game|catching catches catch|frisbee|two three|playing plays play|reading reads read
ride riding rides rider riders"""
SUBJECTS = """\
dog bicycle motorcycle skateboard surfer snowboarder skier soccer football basketball baseball tennis hockey horse
pool kayak climber car bird cat guitar"""
PASSED = frozenset(
    "a an the in on of with and at to is are its his her their through into over by for from up down".split()
)
# often there and not said
WEAK = frozenset(
    """\
grass field trees street water sand two mouth playing running ice stage race american through player
sitting air old ball jumping city game""".split()
)


def mentions(text: str, captions: Sequence[Sequence[frozenset[str]]]) -> NDArray[np.int8]:
    """Return by the captions of each picture whether it shows what a text says: 1, 0, or -1 where they leave it open.

    Right: each thing is said, by two captions in the mean.  Wrong: something is never said, unless it is of the kind
    that people leave unsaid; of longer texts half of the things.
    """
    alike = {line.split()[0]: frozenset(line.split()) for line in re.split(r"[|\n]", ALIKE)}
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word not in PASSED]
    groups = [alike.get(word, frozenset({word, f"{word}s", f"{word}es"})) for word in words]
    right = np.full(len(captions), -1, np.int8)
    for i, written in enumerate(captions):
        counts = [sum(bool(group & caption) for caption in written) for group in groups]
        missing = [word for word, count in zip(words, counts, strict=True) if not count]
        if not missing and sum(counts) >= 2 * len(counts):
            right[i] = 1
        elif len(words) > 3:
            right[i] = 0 if 2 * len(missing) >= len(words) else -1
        elif missing and (len(missing) > 1 or missing[0] not in WEAK or len(words) == 1):
            right[i] = 0
    return right


def photo_questions(records: Sequence[Described], every: int) -> list[Question]:
    """Return questions about photos with captions, of each `every`-th photo its first caption too."""
    captions = _words_of(records)
    asked = [Question(text, "present", mentions(text, captions)) for text in _listed(PHOTO_QUESTIONS)]
    for i in range(0, len(records), every):
        text = records[i]["captions"][0]
        right = mentions(text, captions)
        right[i] = 1
        asked.append(Question(text, "caption", right))
    nothing = [Question(text, "absent", np.minimum(mentions(text, captions), 0)) for text in _listed(ABSENT)]
    shop = [f"{colour} {thing}" for colour, thing in zip(PRODUCT_COLOURS, IN_SHOPS.split("; "), strict=True)]
    nothing += [Question(text, "absent", np.minimum(mentions(text, captions), 0)) for text in shop]
    return [one for one in (*asked, *nothing) if (one.right >= 0).mean() > 0.5]


def product_questions(records: Sequence[Described], every: int) -> list[Question]:
    """Return questions about products: types, types with colours, and of each `every`-th product its title."""
    types, shades = _column(records, "articleType"), _column(records, "baseColour")
    asked = []
    for thing, kinds in PRODUCT_THINGS.items():
        of_type = _attribute(types, kinds)
        asked.append(Question(thing, "present", of_type))
        for colour, names in PRODUCT_COLOURS.items():
            of_colour = _attribute(shades, names)
            wrong = (of_type == 0) | (of_colour == 0)
            right = np.where(wrong, 0, np.minimum(of_type, of_colour)).astype(np.int8)
            asked.append(Question(f"{colour} {thing}", "present", right))
    nobody = np.zeros(len(records), np.int8)
    outside = [text for text in _listed(PHOTO_QUESTIONS) if not set(text.split()) & WORN]
    asked += [Question(text, "absent", nobody) for text in (*_listed(ABSENT), *outside[::2])]
    for i in range(0, len(records), every):
        right = np.where(types == types[i], -1, 0).astype(np.int8)
        right[i] = 1
        asked.append(Question(records[i]["captions"][0], "caption", right))
    return asked


def furniture_questions(records: Sequence[Described]) -> list[Question]:
    """Return questions about furniture, each `class` a type and the first caption type and colours; and absent ones."""
    titles = [re.findall(r"[a-z-]+", str(one["class"]).lower()) for one in records]
    heads = [_head(one) for one in records]
    shades = [str(one["captions"][0])[len(str(one["class"])) :].lower() for one in records]
    nobody = np.zeros(len(records), np.int8)
    asked = []
    for thing, unsure in (one.split(":") for one in re.split(r"[|\n]", FURNITURE)):
        words = thing.split()
        doubt = {*unsure.split(), words[-1], f"{words[-1]}s"}
        of_type = np.array(
            [
                1 if head[-len(words) :] == words else -1 if doubt & set(title) else 0
                for head, title in zip(heads, titles, strict=True)
            ],
            np.int8,
        )
        asked.append(Question(thing, "present", of_type))
        for colour, near in (one.split(":") for one in FURNITURE_COLOURS.split("|")):
            open_ = {*near.split(), colour, "multicolour", "assorted", "in"}
            of_colour = np.array(
                [
                    1 if shade.strip(" ,") == colour else -1 if open_ & set(re.findall("[a-z]+", shade)) else 0
                    for shade in shades
                ],
                np.int8,
            )
            wrong = (of_type == 0) | (of_colour == 0)
            both = np.where(wrong, 0, np.minimum(of_type, of_colour)).astype(np.int8)
            asked.append(Question(f"{colour} {thing}", "present", both))
    house = {word for title in titles for word in title}
    asked += [Question(one, "absent", nobody) for one in _listed(ABSENT) if not house & set(one.split())]
    return asked + [
        Question(one, "absent", nobody) for one in _listed(PHOTO_QUESTIONS)[::3] if not house & set(one.split())
    ]


def class_questions(records: Sequence[Described]) -> list[Question]:
    """Return a question for every class of pictures that have `classes`, or one `class`; and absent ones."""
    has = [frozenset(one.get("classes") or [one["class"]]) for one in records]
    names = sorted(set().union(*has))
    nobody = np.zeros(len(records), np.int8)
    asked = []
    for name in names:
        text = re.sub(r"-(merged|stuff|other|other-merged)", "", name).replace("-", " ")
        asked.append(Question(text, "present", np.array([name in one for one in has]).astype(np.int8)))
    known = {word for one in asked for word in one.text.lower().split()}
    nothing = [text for text in _listed(ABSENT) if not known & set(text.split())]
    return asked + [Question(text, "absent", nobody) for text in nothing]


def image_questions(name: str, records: Sequence[Described], every: int) -> list[Question]:
    """Return each `every`-th picture as a question; right are pictures of the same type, class or subject."""
    if name == "flickr":
        captions = _words_of(records)
        subjects = np.array([mentions(subject, captions) for subject in SUBJECTS.split()])  # (subjects, N)
    elif name == "fashion":
        types = _column(records, "articleType")
    elif name == "furniture":
        types = np.array([_head(one)[-1] for one in records])
    elif "class" not in records[0]:
        return []
    asked = []
    for i in range(0, len(records), every):
        if name == "flickr":
            mine = subjects[subjects[:, i] == 1]
            if not len(mine):
                continue
            right = np.where((mine == 1).any(axis=0), 1, np.where((mine == 0).all(axis=0), 0, -1))
        elif name == "fashion":
            alike = [" ".join(one) for one in PRODUCT_THINGS.values() if types[i] in one[0].split()]
            right = _attribute(types, (str(types[i]), " ".join(alike)))
        elif name == "furniture":
            right = (types == types[i]).astype(int)
        else:
            right = np.array([record["class"] == records[i]["class"] for record in records]).astype(int)
        asked.append(Question("", "image", right.astype(np.int8), [i]))
    return asked


def kinds_of(name: str, records: Sequence[Described]) -> NDArray[np.bool_]:
    """Return for each kind of things of which there are many which pictures (kinds, N) show it: to draw a few kinds."""
    if name == "flickr":
        captions = _words_of(records)
        kinds = np.array([mentions(subject, captions) == 1 for subject in SUBJECTS.split()])
        return kinds[kinds.sum(axis=1) >= 40]
    types = _column(records, "articleType") if name == "fashion" else np.array([_head(one)[-1] for one in records])
    kinds = np.array([types == one for one in np.unique(types)])
    return kinds[kinds.sum(axis=1) >= 15]


def questions(name: str, records: Sequence[Described], every: int = 10) -> list[Question]:
    """Return the questions of a set called flickr, fashion, furniture or classes; as many absent as present things."""
    makers = {"flickr": photo_questions, "fashion": product_questions}
    by_class = furniture_questions if name == "furniture" else class_questions
    asked = makers[name](records, every) if name in makers else by_class(records)
    nobody = np.zeros(len(records), np.int8)
    there = [one for one in asked if (one.right == 1).any()]
    absent = [Question(one.text, "absent", one.right) for one in asked if not (one.right == 1).any()]
    chosen = sorted(np.random.default_rng(0).permutation(len(absent))[: len(there)])
    strange = [(text, "gibberish") for text in _listed(GIBBERISH)] + [(text, "language") for text in _listed(LANGUAGES)]
    odd = [Question(text, kind, nobody) for text, kind in strange]
    return [*there, *(absent[i] for i in chosen), *odd[:: max(1, 160 // len(there))]]


def _head(record: Described) -> list[str]:
    """Return the words of a type of furniture without what it comes with; the last names the kind."""
    return re.findall(r"[a-z-]+", re.split(r",| with? | w ", str(record["class"]).lower())[0]) or [""]


def _words_of(records: Sequence[Described]) -> list[list[frozenset[str]]]:
    """Return the words of each caption of each picture."""
    return [[frozenset(re.findall(r"[a-z]+", caption.lower())) for caption in one["captions"]] for one in records]


def _column(records: Sequence[Described], name: str) -> NDArray[Any]:
    return np.array([str(one[name]).replace(" ", "_") for one in records])


def _attribute(values: NDArray[Any], kinds: tuple[str, str]) -> NDArray[np.int8]:
    right, open_ = (name.split() for name in kinds)
    return np.where(np.isin(values, right), 1, np.where(np.isin(values, open_), -1, 0)).astype(np.int8)


def _listed(text: str) -> list[str]:
    return [one.strip() for one in re.split(r"[;\n]", text) if one.strip()]
