//! The phrases that captions are made of.
//!
//! A phrase is used only if every hole can be filled. `{the}` is "the red chair", `{an}` "a red chair", `{noun}` "red
//! chair"; `{C}` the canvas's word, `{A}`, `{B}`, `{D}` the assets', `{P}` the placement's, `{K}` the map's, `{M}` the
//! mask's, `{F}` the first mask's of a move; `{side}` "on the left", `{from}` the side it comes from, `{way}` "to the
//! left"; `{place}` "the paved plaza", `{rel}` "next to the lamp"; `{b}` and `{d}` further objects with "the", `{all}`
//! every object with "a"; `{colour}`, `{own}` and `{stuff}` words for colours and materials; `{map}` "depth map".

use crate::doc::perceive::MapKind;

/// Phrases for insert reference.
pub const INSERT_REFERENCE: &[&str] = &[
    "Put {the} from {A} into {C} at the place of {M}.",
    "Put {the} from {A} into {C}.",
    "Place {the} of {A} in {C} where {M} is.",
    "Place {the} of {A} {side} of {C}.",
    "Add {the} of {A} to {C} in the region of {M}.",
    "Add {the} of {A} on the ground.",
    "Add {the} from {A} {side}.",
    "Insert {the} from {A} into {C}, guided by {M}.",
    "Insert {the} shown in {A} into {C} {rel}, at the position of {M}.",
    "{The} from {A} stands {rel} in {C}, at the position of {M}.",
    "{The} from {A} stands {side} of {C}.",
    "{The} from {A} is in {C} at {M}.",
    "{The} of {A} {rel}.",
    "{The} of {A} in {M}.",
    "{The} of {A} in {place}.",
    "In {C}, {place}, add {the} of {A} {side}.",
    "In {place} of {C} stands {the} from {A}, {rel}.",
    "A photo of {place} with {the} of {A} {side}.",
    "Fill {M} of {C} with {the} of {A}.",
    "Let {the} of {A} stand in {C} where {M} shows it, with a natural shadow.",
    "Compose {the} of {A} into {C}; {P} shows roughly how it should be.",
    "Use {P} as a rough sketch and put {the} from {A} into {C} at {M}.",
    "Put {the} of {A} into {C} as placed in {P}.",
    "{The} of {A} as in {P}, at {M}.",
    "Blend {the} into {C} as {P} shows.",
    "Show {the} from {A} {side} in {C}, with matching light.",
    "Set {the} of {A} down {rel} in {C}.",
    "Set {the} of {A} down in {C} at the spot of {M}, turned to fit the scene.",
    "Bring {the} of {A} into {C} and match the light of {place}.",
    "{A} in {C}.",
    "{A} in {C} at {M}.",
    "Put {A} here.",
    "Add {A}.",
    "{The} from {A}.",
];

/// Phrases for insert words.
pub const INSERT_WORDS: &[&str] = &[
    "Add {an} to {C} at the place of {M}.",
    "Add {an} to {C} {side}.",
    "Add {an} {rel}.",
    "Put {an} into {C} where {M} is.",
    "Put {an} on the ground {side}.",
    "{An} in {M}.",
    "{An} stands {rel} in {C}.",
    "{An} stands {side} in {place}.",
    "Insert {an} into {C}, guided by {M}.",
    "Fill {M} of {C} with {an}.",
    "In {C}, {place}, add {an} {side}.",
    "A picture of {place} with {an} {side}.",
    "Draw {an} at {M} with a natural shadow.",
    "{An}.",
];

/// Phrases for remove.
pub const REMOVE: &[&str] = &[
    "Remove {the} from {C}.",
    "Remove {the} in {M} from {C}.",
    "Remove {the} {side} of {C}.",
    "Remove {the} {rel}.",
    "Remove {the} and its shadow.",
    "Remove the object at {M}.",
    "Erase {the} at {M} and show {place} behind it.",
    "Erase {the} from {place}.",
    "Take {the} away from {C}, with its shadow.",
    "Take away what {M} shows.",
    "Clear the region of {M} in {C}.",
    "{C} without {the}.",
    "Empty {place}, without {the} {side}.",
    "Delete {the}.",
    "Remove {M}.",
];

/// Phrases for move.
pub const MOVE: &[&str] = &[
    "Move {the} from {F} to {M}.",
    "Move {the} in {C} from the place of {F} to the place of {M}.",
    "Move {the} {from} to {M}.",
    "Move what {F} shows to {M}.",
    "Put {the} of {F} where {M} is.",
    "Shift {the} in {C} from {F} to {M}, with its shadow.",
    "{The} at {F} now stands at {M}, {side}.",
    "{The} of {C} stands {side} instead of {from}.",
    "Take {the} at {F} and set it down at {M}, {rel}.",
    "Relocate {the} in {place} from {F} to {M}.",
];

/// Phrases for identity.
pub const IDENTITY: &[&str] = &[
    "Show {the} from {A} from another side.",
    "Show {the} of {A} from another angle on a plain ground.",
    "Turn {the} of {A}.",
    "Another view of {the} in {A}.",
    "{The} of {A}, seen from another side.",
    "{The} from {A} under another light.",
    "A picture of {the} of {A} on a grey ground.",
    "The same {noun} as in {A}, turned.",
    "{A} from another side.",
    "Rotate {A}.",
];

/// Phrases for extras.
pub const EXTRAS: &[&str] = &[
    "Keep everything else as it is.",
    "Keep the rest of {C} unchanged.",
    "It should look natural.",
    "Match the light of the scene.",
    "Add a soft shadow.",
    "The scene is {place}.",
    "Let it cast a shadow on the ground.",
];

/// Phrases for text to image.
pub const TEXT_TO_IMAGE: &[&str] = &[
    "{All}.",
    "A picture of {all}.",
    "A picture of {all} in {place}.",
    "{All} in {place}.",
    "{An} {side}.",
    "{An} {rel} in {place}.",
    "{An} in {place}, {side}.",
    "In {place}: {all}.",
    "{Place} with {all}.",
    "Show {all} under natural light.",
    "{An} with a soft shadow on the ground.",
];

/// Phrases for customise one.
pub const CUSTOMISE_ONE: &[&str] = &[
    "{The} of {A} in {place}.",
    "{The} from {A} {side}.",
    "A new picture of {the} from {A}.",
    "A new picture of {the} from {A} in {place}.",
    "Show {the} of {A} in {place}, {side}.",
    "{A} in {place}.",
    "{The} from {A} at the position of {M} in {place}.",
    "{The} of {A} at {M}.",
    "Put {the} of {A} into {place} at the position of {M}.",
];

/// Phrases for customise two.
pub const CUSTOMISE_TWO: &[&str] = &[
    "{The} of {A} and {b} of {B} in {place}.",
    "{The} from {A} stands {rel} from {B}.",
    "{The} of {A} together with {b} of {B}.",
    "A picture with {the} from {A} and {b} from {B}.",
    "{A} and {B} in {place}.",
    "Show {the} from {A} {side} and {b} from {B} in {place}.",
];

/// Phrases for customise three.
pub const CUSTOMISE_THREE: &[&str] = &[
    "{The} of {A}, {b} of {B} and {d} of {D} in {place}.",
    "{The} from {A} with {b} from {B} and {d} from {D}.",
    "{A}, {B} and {D} together in {place}.",
    "A picture of {the} from {A}, {b} from {B} and {d} from {D}.",
];

/// Phrases for segment.
pub const SEGMENT: &[&str] = &[
    "Segment {the}.",
    MapKind::Segment.phrase(),
    "Segment {the} {side} of {C}.",
    "Segment {the} {rel} in {C}.",
    "The mask of {the} in {C}.",
    "Mask of {the}.",
    "The mask of {the} {rel}.",
    "Find {the} in {C} and give its mask.",
    "Where is {the} in {C}? Give its mask of white on black.",
    "The segmentation of {the} {side}.",
];

/// Phrases for depth.
pub const DEPTH: &[&str] = &[
    MapKind::Depth.phrase(),
    "Estimate the depth of {C}.",
    "Depth of {C}.",
    "Depth map.",
    "Give the depth map of {place} in {C}, near is bright.",
    "How far away is everything in {C}? Give the depth.",
];

/// Phrases for edges.
pub const EDGES: &[&str] = &[
    MapKind::Edge.phrase(),
    "Edges of {C}.",
    "Edge map.",
    "The edge map of {C}, white lines on black.",
    "Detect the edges in {C}.",
    "Draw the edges of {the} and of everything else in {C}.",
];

/// Phrases for control map.
pub const CONTROL_MAP: &[&str] = &[
    "{All}, following the {map} of {K}.",
    "A picture of {all} in {place} with the {map} of {K}.",
    "{An} in {place} according to the {map} of {K}.",
    "Make a picture from the {map} of {K}: {all}.",
    "The {map} of {K} as a picture of {all}.",
    "From {K}: {all} in {place}.",
];

/// Phrases for control map asset.
pub const CONTROL_MAP_ASSET: &[&str] = &[
    "{The} of {A}, following the {map} of {K}.",
    "{The} from {A} in {place} with the {map} of {K}.",
    "Make a picture of {the} of {A} from the {map} of {K}.",
    "{A} with the {map} of {K}.",
];

/// Phrases for control mask.
pub const CONTROL_MASK: &[&str] = &[
    "{An} in {place} at the position of {M}.",
    "{An} at the position of {M}.",
    "A picture of {place} with {an} in the region of {M}.",
    "{An} in the region of {M}.",
];

/// Phrases for control mask asset.
pub const CONTROL_MASK_ASSET: &[&str] = &[
    "{The} of {A} in {place} at the position of {M}.",
    "{The} from {A} in the region of {M}.",
    "A picture of {place} with {the} of {A} at the position of {M}.",
];

/// Phrases for inpaint.
pub const INPAINT: &[&str] = &[
    "Fill {M} of {C}.",
    "Fill the region of {M} in {C} with {an}.",
    "Restore {the} in {M}.",
    "Paint {the} into the region of {M}, in {place}.",
    "{C} with {the} in {M}.",
    "Complete {C}: {the} is in {M}.",
];

/// Phrases for inpaint asset.
pub const INPAINT_ASSET: &[&str] = &[
    "Fill {M} of {C} with {the} of {A}.",
    "Complete {C} in {M}; {A} shows {the}.",
    "Restore {the} in the region of {M} as {A} shows it.",
    "Use {A} to fill {M} of {C}.",
];

/// Phrases for outpaint.
pub const OUTPAINT: &[&str] = &[
    "Extend {C} into {M}.",
    "Extend {C} beyond its edges.",
    "Continue {place} of {C} into the region of {M}.",
    "Outpaint {C}.",
    "Show what is around {C}: {all}.",
    "Complete {C} outwards: {all} in {place}.",
];

/// Phrases for outpaint asset.
pub const OUTPAINT_ASSET: &[&str] = &[
    "Extend {C} into {M}; {A} shows {the}.",
    "Outpaint {C} with {the} as in {A}.",
    "Continue {C} beyond its edges, with {the} of {A}.",
];

/// Phrases for frame add.
pub const FRAME_ADD: &[&str] = &[
    "Add {an}.",
    "Add {an} to {C}.",
    "Add {an} {side}.",
    "Add {an} {rel}.",
    "Now there is {an} {side} in {C}.",
    "Put {an} into {C}, {side}.",
];

/// Phrases for frame remove.
pub const FRAME_REMOVE: &[&str] = &[
    "Remove {the}.",
    "Remove {the} from {C}.",
    "Take {the} {side} away.",
    "{C} without {the}.",
    "Now {the} is gone.",
    "Delete {the} {rel}.",
];

/// Phrases for frame move.
pub const FRAME_MOVE: &[&str] = &[
    "Move {the} {way}.",
    "Move {the} in {C} {way}.",
    "{The} moves {way}.",
    "Shift {the} {way} in {C}.",
    "A moment later {the} is farther {way}.",
    "Push {the} {way}, with its shadow.",
];

/// Phrases for frame turn.
pub const FRAME_TURN: &[&str] = &[
    "Turn {the}.",
    "Turn {the} of {C} around.",
    "Rotate {the}.",
    "Show {the} of {C} from another side, everything else as it is.",
    "{The} turns on the spot.",
];

/// Phrases for frame pose.
pub const FRAME_POSE: &[&str] = &[
    "Change the pose of {the}.",
    "{The} in another pose.",
    "{The} of {C} a moment later.",
    "{The} moves its limbs.",
    "The next frame of {C}: {the} is in motion.",
];

/// Phrases for frame larger.
pub const FRAME_LARGER: &[&str] = &[
    "Make {the} larger.",
    "Make {the} of {C} bigger.",
    "Enlarge {the}.",
    "A larger {noun}.",
];

/// Phrases for frame smaller.
pub const FRAME_SMALLER: &[&str] = &[
    "Make {the} smaller.",
    "Make {the} of {C} smaller.",
    "Shrink {the}.",
    "A smaller {noun}.",
];

/// Phrases for frame colour.
pub const FRAME_COLOUR: &[&str] = &[
    "Make {the} {colour}.",
    "Change the colour of {the} to {colour}.",
    "Paint {the} of {C} {colour}.",
    "{The} is {colour} now.",
    "Turn {the} {colour}.",
    "Recolour {the} in {C}: {colour}.",
];

/// Phrases for frame made.
pub const FRAME_MADE: &[&str] = &[
    "Make {the} of {stuff}.",
    "{The} of {C} is made of {stuff}.",
    "Change the material of {the} to {stuff}.",
    "Turn {the} into {stuff}.",
];

/// Phrases for frame light.
pub const FRAME_LIGHT: &[&str] = &[
    "Light {C} from another side.",
    "Relight {C}.",
    "Change the direction of the light in {C}.",
    "{C} later that day, the light comes from elsewhere.",
    "Move the light around.",
];

/// Phrases for frame orbit.
pub const FRAME_ORBIT: &[&str] = &[
    "Move the camera {round} in {C}.",
    "{C} seen from a little farther {round}.",
    "Walk the camera around {the} {round}.",
    "Another view of {C}, the camera moves {round}.",
    "The camera goes around {the}.",
];
