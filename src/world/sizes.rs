//! Heights in metres of things whose size nobody wrote down: the packs' cut-outs, named by their emoji. A height is that
//! of the picture: a spoon that is drawn aslant is less high than it is long. Names and sizes are common knowledge,
//! rounded; animals stand as they are drawn.

/// The greatest height: what is taller would need a ground that reaches farther than a panorama shows it.
const TALLEST: f32 = 18.0;

/// Heights and the names they belong to. The first row with a name whose words are in the object's name, one after
/// another, says how high it is: heads, paddles and the like come before what they are parts of.
const HEIGHTS: &[(f32, &str)] = &[
    // Parts and toys of what comes below.
    (
        0.6,
        "horse head, unicorn head, cow head, giraffe head, zebra head, dragon head",
    ),
    (0.35, "bear head, tiger head, panda head"),
    (0.22, "dog head, fox head, monkey head"),
    (0.12, "cat head, rabbit head"),
    (0.05, "frog head, hamster head, mouse head"),
    (
        0.25,
        "table tennis paddle, roller skate, ice skate, teddy bear",
    ),
    (1.4, "carousel horse"),
    (0.04, "three button mouse, mouse trap, trackball, game die"),
    (0.15, "globe, mirror ball, nesting dolls, toy, test tube"),
    (
        0.3,
        "japanese dolls, card file box, balloon, horizontal traffic light",
    ),
    (16.0, "ferris wheel"),
    (2.2, "christmas tree, tanabata tree"),
    (0.7, "ski and ski boot, sled, basketball and hoop"),
    (1.5, "couch and lamp, goal net, coffin"),
    (0.9, "traffic light"),
    (1.0, "motor scooter, scooter, kite"),
    (0.8, "long drum"),
    (2.5, "railway car, auto rickshaw, playground slide"),
    (0.3, "film projector, movie camera"),
    (0.11, "video camera, camera"),
    (0.16, "horn, trumpet"),
    (0.03, "bar of soap, adhesive bandage"),
    (0.35, "ballot box with ballot, chains"),
    (
        0.06,
        "four leaf clover, shamrock, seedling, ticket, admission tickets, identification card, pager",
    ),
    (0.2, "desert island, empty nest, ringed planet"),
    (0.1, "rice ball, bowl, spool of thread"),
    (0.26, "boxing glove, musical keyboard"),
    (0.4, "tropical fish, carp streamer"),
    (
        0.06,
        "fish cake, hot dog, meat on a bone, baby chick, hatching chick",
    ),
    (0.2, "pot of food, pineapple, box, closed umbrella"),
    (
        0.05,
        "cherry blossom, sweet potato, fortune cookie, rice cracker, sushi",
    ),
    // Buildings and what is as large.
    (
        18.0,
        "tower, stadium, skyscraper, castle, rocket, volcano, mountain, passenger ship",
    ),
    (
        12.0,
        "hotel, hospital, office building, department store, church, ferry, ship, satellite",
    ),
    (6.0, "house, shinto shrine, sailboat, sauropod"),
    (
        9.0,
        "classical building, bank, post office, circus tent, building, convenience store",
    ),
    (8.0, "tree"),
    (4.5, "hut, airplane, helicopter, t-rex, parachute, giraffe"),
    (4.0, "whale, moyai, steam locomotive, monorail, locomotive"),
    (
        3.4,
        "train, light rail, tram, suspension railway, aerial tramway, articulated lorry, fire engine",
    ),
    (
        3.0,
        "bus, mammoth, fountain, elephant, dragon, delivery truck, truck",
    ),
    (
        2.4,
        "ambulance, minibus, tractor, camel, speedboat, motor boat",
    ),
    (2.0, "door, shower, polar bear, bison, moose"),
    (
        1.8,
        "fuel pump, horse, ox, cow, water buffalo, sport utility vehicle, tent, knight, ladder, camping",
    ),
    (1.6, "person, car, taxi, slot machine, crutch, boat, canoe"),
    (
        1.5,
        "postbox, llama, kangaroo, gorilla, shark, deer, kimono, sari, snowman",
    ),
    // Furniture, clothes and animals that reach to the hip.
    (
        1.3,
        "probing cane, orangutan, bed, file cabinet, dress, mirror, oil drum",
    ),
    (
        1.1,
        "motorcycle, bicycle, headstone, anchor, coat, seal, crocodile",
    ),
    (
        1.0,
        "chair, seat, bathtub, coral, tiger, barber pole, sunflower",
    ),
    (
        0.9,
        "toilet, penguin, jeans, peacock, swan, pig, boar, goat, ram, sheep, umbrella, axe, pick",
    ),
    (
        0.8,
        "leopard, guide dog, banjo, saxophone, desk, table, cactus, fax machine",
    ),
    (
        0.7,
        "poodle, dog, dodo, t-shirt, shirt, blouse, uniform, vest, shorts, eagle, turkey, monkey, koala, sloth",
    ),
    (
        0.6,
        "tennis racquet, luggage, television, beaver, violin, wastebasket, wheel",
    ),
    (
        0.55,
        "badminton racquet, field hockey stick, ice hockey stick, carpentry saw, boots",
    ),
    (
        0.5,
        "badger, raccoon, otter, fox, plunger, accordion, shield, placard, pinata, dagger, skateboard, stethoscope",
    ),
    (
        0.45,
        "cat, rooster, chicken, duck, snake, octopus, turtle, bowling, crossed swords, bucket, boomerang, necktie",
    ),
    (
        0.4,
        "cricket bat, printer, basket, satchel, potted plant, toolbox, amphora, ring buoy",
    ),
    (
        0.35,
        "rabbit, skunk, drum, handbag, briefcase, shopping bags, lantern, money bag, trophy, frame with picture",
    ),
    // What is carried in a hand.
    (
        0.3,
        "parrot, rock, wood, package, wrapped present, bouquet, scarf, radio, magic wand",
    ),
    (
        0.28,
        "studio microphone, clipboard, candle, newspaper, file folder, baguette, world map, page",
    ),
    (
        0.25,
        "book, notebook, woman's hat, crown, artist palette, abacus, inbox tray, outbox tray, clapper board",
    ),
    (
        0.24,
        "basketball, soccer ball, volleyball, bottle, hammer, telephone, hourglass, megaphone, wine glass, memo, pie",
    ),
    (
        0.22,
        "headphone, melon, watermelon, birthday cake, curling stone, teapot, clock, bone, graduation cap",
    ),
    (
        0.2,
        "bird, feather, hedgehog, microphone, alembic, jar, purse, pouch, honey pot, broccoli, videocassette",
    ),
    (
        0.18,
        "glass of milk, bubble tea, popcorn, cup with straw, cocktail glass, gloves, spoon, screwdriver",
    ),
    (
        0.16,
        "beer mug, beer mugs, shoe, sandal, toothbrush, fork and knife, chopsticks, envelope, receipt, pencil, ruler",
    ),
    (
        0.15,
        "squirrel, chipmunk, lobster, blowfish, fish, rat, coconut, medal, mobile phone, joystick, diving mask",
    ),
    (
        0.14,
        "corn, maize, aubergine, cucumber, carrot, banana, sandwich, cap, bread, optical disc, dvd",
    ),
    (
        0.13,
        "tumbler glass, beverage box, rose, hibiscus, tulip, ice cream, magnet, bell, keyboard, minidisc",
    ),
    (
        0.11,
        "canned food, cup, apple, mango, orange, french fries, hamburger, bagel, grapes, baseball, softball, brick, lotus",
    ),
    (
        0.09,
        "tomato, peach, pear, onion, lemon, kiwifruit, cupcake, credit card, croissant, floppy disk, stopwatch, compass",
    ),
    (
        0.07,
        "egg, hot pepper, cookie, dumpling, mushroom, hook, label, electric light bulb, yo-yo, petri dish, sunglasses",
    ),
    (
        0.06,
        "mouse, garlic, billiards, oyster, spiral shell, old key, wristwatch, candy, razor",
    ),
    (
        0.045,
        "strawberry, cherries, chestnut, scorpion, butterfly, shrimp, snail, worm, pushpin, olive, peanuts, beans",
    ),
    (
        0.035,
        "pill, jigsaw puzzle piece, spider, beetle, cockroach, cricket, coin, paperclip, sewing needle, blueberries, tooth",
    ),
    (0.03, "ant, honeybee, bee, fly, bug, lady beetle, mosquito"),
];

/// The height in metres of a thing of this name, or of things of its category.
pub fn guessed_height(name: &str, category: &str) -> f32 {
    let words: Vec<&str> = name.split_whitespace().collect();
    let named = |known: &str| {
        let known: Vec<&str> = known.split_whitespace().collect();
        words.windows(known.len()).any(|part| part == known)
    };
    let found = HEIGHTS
        .iter()
        .find(|(_, names)| names.split(", ").any(named));
    if let Some((height, _)) = found {
        return height.min(TALLEST);
    }
    match category {
        "food" => 0.1,
        "animal" => 0.4,
        "furniture" => 0.95,
        "outdoor" => 1.4,
        "vehicle" => 1.6,
        "prop" => 0.8,
        _ => 0.2,
    }
}
