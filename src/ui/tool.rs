//! The mask tools: a state machine. What the pointer does goes in, what happens to the mask comes out; nothing
//! here touches a mask, a window or a clock.

/// A tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Paints.
    #[default]
    Brush,
    /// Takes away.
    Eraser,
    /// Paints a straight line.
    Line,
    /// Selects a box.
    Box,
    /// Selects a free shape.
    Lasso,
    /// Fills a closed outline.
    Fill,
    /// Moves a mask.
    Move,
    /// Shows and changes what the model sees of the canvas.
    Context,
    /// Moves the view.
    Hand,
}

impl Tool {
    /// All tools in the order of the tool strip.
    pub const ALL: [Tool; 9] = [
        Tool::Brush,
        Tool::Eraser,
        Tool::Line,
        Tool::Box,
        Tool::Lasso,
        Tool::Fill,
        Tool::Move,
        Tool::Context,
        Tool::Hand,
    ];

    /// Whether the tool has a size.
    pub fn has_brush(self) -> bool {
        matches!(self, Tool::Brush | Tool::Eraser | Tool::Line)
    }
}

/// The keys that change what a tool does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Takes away instead of adding.
    pub subtract: bool,
    /// Draws a straight line from where the last stroke ended.
    pub straight: bool,
    /// Changes the brush's size and hardness by dragging.
    pub resize: bool,
}

/// What the pointer did. Positions are picture pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// The button went down.
    Down {
        /// Where.
        at: [f32; 2],
        /// How far from a line or corner the pointer may be to take it.
        reach: f32,
        /// With which keys held.
        keys: Keys,
    },
    /// The pointer moved with the button down.
    Move {
        /// Where to.
        at: [f32; 2],
    },
    /// The button went up.
    Up,
    /// Escape, or the window lost the pointer: as if nothing had been done.
    Abort,
}

/// What is going on between button down and up.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Gesture {
    /// Nothing.
    #[default]
    Idle,
    /// A stroke is being painted; the last position.
    Stroke([f32; 2]),
    /// A straight line from the first to the second position.
    Line([f32; 2], [f32; 2], bool),
    /// A box between two corners.
    Box([f32; 2], [f32; 2], bool),
    /// A free shape.
    Lasso(Vec<[f32; 2]>, bool),
    /// The brush is being resized; where the button went down and where the pointer is.
    Resize([f32; 2], [f32; 2]),
    /// A mask or the context rectangle is being dragged from here.
    Drag([f32; 2]),
}

/// What is to be done to the mask. `true` takes away.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Begin a stroke here.
    Begin([f32; 2], bool),
    /// Go on with the stroke to here.
    Extend([f32; 2]),
    /// The stroke is finished.
    Finish,
    /// Give the stroke up.
    GiveUp,
    /// A whole stroke at once.
    Straight([f32; 2], [f32; 2], bool),
    /// Combine with a box.
    FillBox([f32; 2], [f32; 2], bool),
    /// Combine with a polygon.
    FillPolygon(Vec<[f32; 2]>, bool),
    /// Fill the outline around a pixel.
    Flood([f32; 2]),
    /// Change the brush by a drag of so many pixels across and down.
    ResizeBrush([f32; 2]),
    /// Take up what is here, within a reach.
    Lift([f32; 2], f32),
    /// What was taken up is carried from the first to the second place.
    Carry([f32; 2], [f32; 2]),
    /// It is put down.
    Drop,
    /// It goes back to where it was.
    PutBack,
}

/// The tools' state between frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// What is going on.
    pub gesture: Gesture,
    /// Where the last stroke ended, for straight lines.
    pub last: Option<[f32; 2]>,
}

impl Machine {
    /// Whether the button is down for a tool.
    pub fn is_busy(&self) -> bool {
        self.gesture != Gesture::Idle
    }

    /// The next state, and what to do.
    pub fn step(&self, tool: Tool, input: Input) -> (Machine, Effect) {
        let last = self.last;
        let with = |gesture, effect| (Machine { gesture, last }, effect);
        match (&self.gesture, input) {
            (Gesture::Idle, Input::Down { at, reach, keys }) => self.down(tool, at, reach, keys),
            (Gesture::Stroke(_), Input::Move { at }) => {
                with(Gesture::Stroke(at), Effect::Extend(at))
            }
            (&Gesture::Stroke(at), Input::Up) => (idle(Some(at)), Effect::Finish),
            (Gesture::Stroke(_), Input::Abort) => with(Gesture::Idle, Effect::GiveUp),
            (&Gesture::Line(from, _, subtract), Input::Move { at }) => {
                with(Gesture::Line(from, at, subtract), Effect::None)
            }
            (&Gesture::Line(from, to, subtract), Input::Up) => {
                (idle(Some(to)), Effect::Straight(from, to, subtract))
            }
            (&Gesture::Box(from, _, subtract), Input::Move { at }) => {
                with(Gesture::Box(from, at, subtract), Effect::None)
            }
            (&Gesture::Box(from, to, subtract), Input::Up) => {
                let empty = (from[0] - to[0]).abs() < 1.0 || (from[1] - to[1]).abs() < 1.0;
                let effect = if empty {
                    Effect::None
                } else {
                    Effect::FillBox(from, to, subtract)
                };
                with(Gesture::Idle, effect)
            }
            (Gesture::Lasso(points, subtract), Input::Move { at }) => {
                let mut points = points.clone();
                if points.last() != Some(&at) {
                    points.push(at);
                }
                with(Gesture::Lasso(points, *subtract), Effect::None)
            }
            (Gesture::Lasso(points, subtract), Input::Up) => {
                let effect = if points.len() < 3 {
                    Effect::None
                } else {
                    Effect::FillPolygon(points.clone(), *subtract)
                };
                with(Gesture::Idle, effect)
            }
            (&Gesture::Resize(from, to), Input::Move { at }) => with(
                Gesture::Resize(from, at),
                Effect::ResizeBrush([at[0] - to[0], at[1] - to[1]]),
            ),
            (&Gesture::Drag(from), Input::Move { at }) => {
                with(Gesture::Drag(from), Effect::Carry(from, at))
            }
            (Gesture::Drag(_), Input::Up) => with(Gesture::Idle, Effect::Drop),
            (Gesture::Drag(_), Input::Abort) => with(Gesture::Idle, Effect::PutBack),
            (Gesture::Idle, _) => with(Gesture::Idle, Effect::None),
            (_, Input::Down { .. }) => with(self.gesture.clone(), Effect::None),
            (_, Input::Up | Input::Abort) => with(Gesture::Idle, Effect::None),
        }
    }

    fn down(&self, tool: Tool, at: [f32; 2], reach: f32, keys: Keys) -> (Machine, Effect) {
        let last = self.last;
        let with = |gesture, effect| (Machine { gesture, last }, effect);
        let subtract = keys.subtract != (tool == Tool::Eraser);
        match tool {
            Tool::Brush | Tool::Eraser | Tool::Line if keys.resize => {
                with(Gesture::Resize(at, at), Effect::None)
            }
            Tool::Brush | Tool::Eraser => match last.filter(|_| keys.straight) {
                Some(from) => (idle(Some(at)), Effect::Straight(from, at, subtract)),
                None => with(Gesture::Stroke(at), Effect::Begin(at, subtract)),
            },
            Tool::Line => match last.filter(|_| keys.straight) {
                Some(from) => (idle(Some(at)), Effect::Straight(from, at, subtract)),
                None => with(Gesture::Line(at, at, subtract), Effect::None),
            },
            Tool::Box => with(Gesture::Box(at, at, subtract), Effect::None),
            Tool::Lasso => with(Gesture::Lasso(vec![at], subtract), Effect::None),
            Tool::Fill => with(Gesture::Idle, Effect::Flood(at)),
            Tool::Move | Tool::Context => with(Gesture::Drag(at), Effect::Lift(at, reach)),
            Tool::Hand => with(Gesture::Idle, Effect::None),
        }
    }
}

fn idle(last: Option<[f32; 2]>) -> Machine {
    Machine {
        gesture: Gesture::Idle,
        last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(tool: Tool, inputs: &[Input]) -> (Machine, Vec<Effect>) {
        let mut machine = Machine::default();
        let mut effects = Vec::new();
        for &input in inputs {
            let (next, effect) = machine.step(tool, input);
            machine = next;
            if effect != Effect::None {
                effects.push(effect);
            }
        }
        (machine, effects)
    }

    fn down(x: f32, y: f32) -> Input {
        Input::Down {
            at: [x, y],
            reach: 4.0,
            keys: Keys::default(),
        }
    }

    fn to(x: f32, y: f32) -> Input {
        Input::Move { at: [x, y] }
    }

    #[test]
    fn a_stroke_begins_extends_and_finishes() {
        let (machine, effects) = run(Tool::Brush, &[down(1.0, 2.0), to(3.0, 4.0), Input::Up]);
        assert_eq!(
            effects,
            [
                Effect::Begin([1.0, 2.0], false),
                Effect::Extend([3.0, 4.0]),
                Effect::Finish
            ]
        );
        assert_eq!(machine.last, Some([3.0, 4.0]));
    }

    #[test]
    fn escape_gives_a_stroke_up_and_forgets_a_box() {
        let (machine, effects) = run(Tool::Eraser, &[down(1.0, 1.0), Input::Abort, to(9.0, 9.0)]);
        assert_eq!(effects, [Effect::Begin([1.0, 1.0], true), Effect::GiveUp]);
        assert_eq!(machine, Machine::default());
        let (_, effects) = run(Tool::Box, &[down(0.0, 0.0), to(9.0, 9.0), Input::Abort]);
        assert!(effects.is_empty());
    }

    #[test]
    fn shift_click_draws_a_straight_line_from_the_last_stroke() {
        let straight = Input::Down {
            at: [8.0, 0.0],
            reach: 4.0,
            keys: Keys {
                straight: true,
                ..Keys::default()
            },
        };
        let (machine, effects) = run(Tool::Brush, &[down(0.0, 0.0), Input::Up, straight]);
        assert_eq!(
            effects.last(),
            Some(&Effect::Straight([0.0, 0.0], [8.0, 0.0], false))
        );
        assert!(!machine.is_busy());
        let (_, effects) = run(Tool::Brush, &[straight]);
        assert_eq!(effects, [Effect::Begin([8.0, 0.0], false)]);
    }

    #[test]
    fn subtracting_turns_the_brush_into_an_eraser_and_back() {
        let subtract = Input::Down {
            at: [0.0, 0.0],
            reach: 4.0,
            keys: Keys {
                subtract: true,
                ..Keys::default()
            },
        };
        assert_eq!(
            run(Tool::Brush, &[subtract]).1,
            [Effect::Begin([0.0; 2], true)]
        );
        assert_eq!(
            run(Tool::Eraser, &[subtract]).1,
            [Effect::Begin([0.0; 2], false)]
        );
    }

    #[test]
    fn boxes_and_lassos_need_an_area() {
        assert!(
            run(Tool::Box, &[down(1.0, 1.0), to(1.2, 9.0), Input::Up])
                .1
                .is_empty()
        );
        assert!(
            run(Tool::Lasso, &[down(1.0, 1.0), to(2.0, 2.0), Input::Up])
                .1
                .is_empty()
        );
        let (_, effects) = run(Tool::Box, &[down(1.0, 1.0), to(4.0, 9.0), Input::Up]);
        assert_eq!(effects, [Effect::FillBox([1.0, 1.0], [4.0, 9.0], false)]);
        let path = [
            down(0.0, 0.0),
            to(4.0, 0.0),
            to(4.0, 0.0),
            to(4.0, 4.0),
            Input::Up,
        ];
        let triangle = vec![[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]];
        assert_eq!(
            run(Tool::Lasso, &path).1,
            [Effect::FillPolygon(triangle, false)]
        );
    }

    #[test]
    fn what_is_dragged_is_carried_from_where_it_was_taken() {
        let path = [down(5.0, 6.0), to(7.0, 6.0), to(9.0, 2.0), Input::Up];
        for tool in [Tool::Move, Tool::Context] {
            let (machine, effects) = run(tool, &path);
            assert_eq!(
                effects,
                [
                    Effect::Lift([5.0, 6.0], 4.0),
                    Effect::Carry([5.0, 6.0], [7.0, 6.0]),
                    Effect::Carry([5.0, 6.0], [9.0, 2.0]),
                    Effect::Drop
                ]
            );
            assert!(!machine.is_busy());
        }
        let (_, effects) = run(Tool::Move, &[down(5.0, 6.0), Input::Abort, Input::Up]);
        assert_eq!(effects, [Effect::Lift([5.0, 6.0], 4.0), Effect::PutBack]);
    }

    fn any_input() -> impl Strategy<Value = Input> {
        let at = || [0f32..64.0, 0f32..64.0];
        prop_oneof![
            (at(), any::<[bool; 3]>()).prop_map(|(at, [subtract, straight, resize])| Input::Down {
                at,
                reach: 4.0,
                keys: Keys {
                    subtract,
                    straight,
                    resize
                },
            }),
            at().prop_map(|at| Input::Move { at }),
            Just(Input::Up),
            Just(Input::Abort),
        ]
    }

    proptest! {
        /// Whatever happens: strokes begin and end in turn, and a button that is up leaves nothing going on.
        #[test]
        fn strokes_are_well_formed(
            tool in proptest::sample::select(Tool::ALL.to_vec()),
            inputs in proptest::collection::vec(any_input(), 0..40),
        ) {
            let mut machine = Machine::default();
            let mut open = false;
            for input in inputs {
                let (next, effect) = machine.step(tool, input);
                match effect {
                    Effect::Begin(..) => { prop_assert!(!open); open = true; }
                    Effect::Extend(_) => prop_assert!(open),
                    Effect::Finish | Effect::GiveUp => { prop_assert!(open); open = false; }
                    Effect::None => {}
                    _ => prop_assert!(!open),
                }
                machine = next;
                prop_assert_eq!(open, matches!(machine.gesture, Gesture::Stroke(_)));
                if matches!(input, Input::Up | Input::Abort) {
                    prop_assert!(!machine.is_busy());
                }
            }
        }
    }
}
