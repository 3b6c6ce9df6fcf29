//! What the model is asked to do, and how often.

use std::collections::BTreeMap;

use anyhow::Context;

/// What the model is asked to do. The numbers are the record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Task {
    /// Put the asset's object into the canvas.
    InsertReference = 0,
    /// Put an object named in words into the canvas.
    InsertWords = 1,
    /// Take an object and its shadow away.
    Remove = 2,
    /// Move an object from one mask to another, which may be larger or smaller.
    Move = 3,
    /// Make a picture from words alone.
    TextToImage = 4,
    /// Make another frame of the same video: move, turn, add, remove, recolour, relight, pose, go around.
    Frame2Frame = 5,
    /// Make a new picture with one to three given objects in it.
    Customise = 6,
    /// Give the mask of an object named in words.
    Segment = 7,
    /// Give the depth map.
    Depth = 8,
    /// Give the edges.
    Edges = 9,
    /// Make a picture that follows a mask, edges or a depth map, at times with a given object.
    Control = 10,
    /// Fill a hole in the canvas, or what is beyond its edges, at times with a given object.
    Outpaint = 11,
    /// Show the asset's object from another side, on its own.
    IdentityPair = 12,
}

impl Task {
    /// All tasks.
    pub const ALL: [Task; 13] = [
        Task::InsertReference,
        Task::InsertWords,
        Task::Remove,
        Task::Move,
        Task::TextToImage,
        Task::Frame2Frame,
        Task::Customise,
        Task::Segment,
        Task::Depth,
        Task::Edges,
        Task::Control,
        Task::Outpaint,
        Task::IdentityPair,
    ];

    /// The name used on the command line, in weights and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Task::InsertReference => "insert_reference",
            Task::InsertWords => "insert_words",
            Task::Remove => "remove",
            Task::Move => "move",
            Task::TextToImage => "text_to_image",
            Task::Frame2Frame => "frame2frame",
            Task::Customise => "customise",
            Task::Segment => "segment",
            Task::Depth => "depth",
            Task::Edges => "edges",
            Task::Control => "control",
            Task::Outpaint => "outpaint",
            Task::IdentityPair => "identity_pair",
        }
    }

    /// The task of this name.
    pub fn named(name: &str) -> Option<Task> {
        Task::ALL.into_iter().find(|task| task.name() == name)
    }

    /// Whether the output is a map of the canvas rather than a picture.
    pub fn is_perception(self) -> bool {
        matches!(self, Task::Segment | Task::Depth | Task::Edges)
    }

    /// Whether a picture is edited or looked at.
    pub fn has_canvas(self) -> bool {
        !matches!(
            self,
            Task::TextToImage | Task::Customise | Task::Control | Task::IdentityPair
        )
    }
}

/// How often each task comes up; the weights need not add up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(Vec<(Task, f32)>);

impl Default for Weights {
    /// Insertion with reference is half of the samples.
    fn default() -> Self {
        Self(vec![
            (Task::InsertReference, 0.50),
            (Task::InsertWords, 0.06),
            (Task::Remove, 0.07),
            (Task::Move, 0.06),
            (Task::TextToImage, 0.03),
            (Task::Frame2Frame, 0.06),
            (Task::Customise, 0.03),
            (Task::Segment, 0.04),
            (Task::Depth, 0.02),
            (Task::Edges, 0.01),
            (Task::Control, 0.03),
            (Task::Outpaint, 0.03),
            (Task::IdentityPair, 0.06),
        ])
    }
}

impl Weights {
    /// Weights from JSON (`{"insert_reference": 2, "segment": 1}`) or from `name=weight,name=weight`. Tasks that are
    /// not named get none.
    ///
    /// # Errors
    /// Unknown names, negative or unreadable weights, no weight above zero.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let given: BTreeMap<String, f32> = if text.trim_start().starts_with('{') {
            serde_json::from_str(text)
                .context("the task weights are not a JSON object of numbers")?
        } else {
            text.split(',')
                .filter(|part| !part.trim().is_empty())
                .map(|part| {
                    let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
                    let weight = weight
                        .trim()
                        .parse()
                        .with_context(|| format!("{weight:?} is not a weight; write task=0.5"))?;
                    Ok((name.trim().to_owned(), weight))
                })
                .collect::<anyhow::Result<_>>()?
        };
        let mut weights = Vec::new();
        for (name, weight) in given {
            let task = Task::named(&name).with_context(|| {
                let known: Vec<&str> = Task::ALL.iter().map(|t| t.name()).collect();
                format!(
                    "there is no task {name:?}; write one of {}",
                    known.join(", ")
                )
            })?;
            anyhow::ensure!(
                weight >= 0.0 && weight.is_finite(),
                "the weight of {name} must be 0 or more"
            );
            weights.push((task, weight));
        }
        weights.sort_by_key(|w| w.0);
        anyhow::ensure!(
            weights.iter().any(|w| w.1 > 0.0),
            "no task has a weight above 0"
        );
        Ok(Self(weights))
    }

    /// The task at `pick` in 0..1 of all weights laid end to end.
    pub fn at(&self, pick: f32) -> Task {
        let total: f32 = self.0.iter().map(|w| w.1).sum();
        let mut left = pick * total;
        let mut last = Task::InsertReference;
        for &(task, weight) in self.0.iter().filter(|w| w.1 > 0.0) {
            last = task;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// The tasks that come up.
    pub fn tasks(&self) -> impl Iterator<Item = Task> + '_ {
        self.0.iter().filter(|w| w.1 > 0.0).map(|w| w.0)
    }
}
