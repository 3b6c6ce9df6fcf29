//! Figures of cases, their means over groups of cases, and how sure the differences are.

use std::fmt::Write;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use super::baseline::Baselines;
use super::case::{Case, TASKS};
use super::metrics::{largest_error, mean_error, psnr, selected, ssim_map, ssim_over};
use crate::doc::{Level, Picture};

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;
/// Fewer pixels than this are no shadow to speak of.
const LEAST_SHADOW: usize = 16;

/// The figures of one picture against the true one; or means of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// PSNR where the target differs from the canvas, in dB.
    pub psnr: Option<f64>,
    /// SSIM there.
    pub ssim: Option<f64>,
    /// PSNR in the object's mask, in dB.
    pub psnr_object: Option<f64>,
    /// SSIM there.
    pub ssim_object: Option<f64>,
    /// Mean absolute error of what changed beside the object (shadow, reflection), 0..1.
    pub shadow: Option<f64>,
    /// The same as a share of the canvas's: 1 is no shadow at all, 0 the true one.
    pub shadow_share: Option<f64>,
    /// Mean absolute error where nothing should have changed, 0..1.
    pub background: Option<f64>,
    /// Largest difference to the canvas beyond the region, 0..1: of shadow and reflection that fall there, or, if none may
    /// ([`crate::doc::job::BlendSpec::cast`] is 0), 0 unless something is broken.
    pub outside: Option<f64>,
}

/// All figures of a case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseFigures {
    /// The case's name.
    pub name: String,
    /// Its task.
    pub task: &'static str,
    /// Its masks' level, or "none".
    pub level: &'static str,
    /// The share of the true change that lies where the model may change the canvas.
    pub reach: f64,
    /// Of the canvas as it is.
    pub canvas: Figures,
    /// Of pasting.
    pub naive: Figures,
    /// Of seamless pasting.
    pub poisson: Option<Figures>,
    /// Of the model.
    pub model: Figures,
    /// Of the true picture, through the autoencoder and joined to the canvas.
    pub ceiling: Option<Figures>,
}

/// What pictures of a case are judged by.
pub struct Judge<'a> {
    case: &'a Case,
    changed: Vec<bool>,
    object: Vec<bool>,
    /// What changed beside the object, if that is enough to speak of.
    shadow: Option<Vec<bool>>,
    still: Vec<bool>,
    editable: Vec<bool>,
    kept: Vec<bool>,
}

impl<'a> Judge<'a> {
    /// For the pictures of a case.
    pub fn new(case: &'a Case) -> Self {
        let changed = selected(&case.changed);
        let object = selected(&case.object);
        let not = |place: &[bool]| -> Vec<bool> { place.iter().map(|p| !p).collect() };
        let shadow: Vec<bool> = changed.iter().zip(&object).map(|(c, o)| *c && !o).collect();
        let has_shadow = shadow.iter().filter(|s| **s).count() >= LEAST_SHADOW;
        let editable = case.editable();
        Self {
            case,
            still: not(&changed),
            kept: not(&editable),
            shadow: has_shadow.then_some(shadow),
            changed,
            object,
            editable,
        }
    }

    /// Where the model may change the canvas.
    pub fn editable(&self) -> &[bool] {
        &self.editable
    }

    /// The figures of a picture of the case.
    pub fn figures(&self, picture: &Picture) -> Figures {
        let Case { target, canvas, .. } = self.case;
        let map = ssim_map(picture, target);
        let shadow = |picture: &Picture| mean_error(picture, target, self.shadow.as_ref()?);
        let untouched = shadow(canvas).filter(|error| *error > 0.0);
        Figures {
            psnr: psnr(picture, target, &self.changed),
            ssim: ssim_over(&map, &self.changed),
            psnr_object: psnr(picture, target, &self.object),
            ssim_object: ssim_over(&map, &self.object),
            shadow: shadow(picture),
            shadow_share: shadow(picture).zip(untouched).map(|(error, of)| error / of),
            background: mean_error(picture, target, &self.still),
            outside: largest_error(picture, canvas, &self.kept),
        }
    }

    /// The share of the true change that lies where the model may change the canvas.
    pub fn reach(&self) -> f64 {
        let part = |place: &[bool]| {
            let count = place.iter().filter(|p| **p).count() as f64;
            mean_error(&self.case.canvas, &self.case.target, place).unwrap_or(0.0) * count
        };
        let both = self.changed.iter().zip(&self.editable);
        let reached: Vec<bool> = both.map(|(c, e)| *c && *e).collect();
        let whole = part(&self.changed);
        if whole > 0.0 {
            part(&reached) / whole
        } else {
            1.0
        }
    }
}

impl CaseFigures {
    /// Measures a case.
    pub fn new(
        case: &Case,
        baselines: &Baselines,
        model: &Picture,
        ceiling: Option<&Picture>,
    ) -> Self {
        let judge = Judge::new(case);
        let figures = |picture: &Picture| judge.figures(picture);
        Self {
            name: case.name.clone(),
            task: case.task.name(),
            level: case.level_name(),
            reach: judge.reach(),
            canvas: figures(&case.canvas),
            naive: figures(&baselines.naive),
            poisson: baselines.poisson.as_ref().map(figures),
            model: figures(model),
            ceiling: ceiling.map(figures),
        }
    }
}

/// How much better the model is than a baseline, over the cases that both have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Model − baseline, the mean over the cases.
    pub mean: f64,
    /// The lower end of the 95 % bootstrap interval of the mean.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The share of cases in which the model is better.
    pub better: f64,
}

impl Difference {
    /// Of the differences of single cases; `None` without cases.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let count = differences.len();
        if count == 0 {
            return None;
        }
        let mean = |sum: f64| sum / count as f64;
        // A fixed seed: the same figures give the same interval.
        let mut rng = ChaCha8Rng::seed_from_u64(0x1a1a);
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                mean(
                    (0..count)
                        .map(|_| differences[rng.random_range(0..count)])
                        .sum(),
                )
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
        Some(Self {
            mean: mean(differences.iter().sum()),
            low: at(0.025),
            high: at(0.975),
            better: mean(differences.iter().filter(|d| **d > 0.0).count() as f64),
        })
    }
}

/// The model against one baseline.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Against {
    /// PSNR where the picture changes, dB.
    pub psnr: Option<Difference>,
    /// SSIM there.
    pub ssim: Option<Difference>,
}

/// The means of a group of cases.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// "all", a task, or "task, level".
    pub name: String,
    /// How many cases.
    pub cases: usize,
    /// The mean of [`CaseFigures::reach`].
    pub reach: f64,
    /// Of the canvas as it is.
    pub canvas: Figures,
    /// Of pasting.
    pub naive: Figures,
    /// Of seamless pasting.
    pub poisson: Figures,
    /// Of the model.
    pub model: Figures,
    /// Of the true picture, through the autoencoder and joined to the canvas.
    pub ceiling: Figures,
    /// The model against pasting.
    pub against_naive: Against,
    /// The model against seamless pasting.
    pub against_poisson: Against,
}

type Pick = fn(&Figures) -> Option<f64>;

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u32, 0.0), |(count, sum), v| (count + 1, sum + v));
    (count > 0).then(|| sum / f64::from(count))
}

fn means<'a>(all: impl Iterator<Item = &'a Figures> + Clone, canvas: Option<f64>) -> Figures {
    let mean = |pick: Pick| mean_of(all.clone().filter_map(pick));
    let shadow = mean(|f| f.shadow);
    Figures {
        psnr: mean(|f| f.psnr),
        ssim: mean(|f| f.ssim),
        psnr_object: mean(|f| f.psnr_object),
        ssim_object: mean(|f| f.ssim_object),
        shadow,
        // Of the means: the mean of shares would be ruled by the faintest shadows.
        shadow_share: shadow.zip(canvas).map(|(error, of)| error / of),
        background: mean(|f| f.background),
        outside: all.clone().filter_map(|f| f.outside).reduce(f64::max),
    }
}

impl Group {
    /// The means of some cases.
    pub fn new(name: String, cases: &[&CaseFigures]) -> Self {
        let shadow = |with: &dyn Fn(&CaseFigures) -> bool| {
            let of = cases.iter().filter(|c| with(c));
            mean_of(of.filter_map(|c| c.canvas.shadow)).filter(|error| *error > 0.0)
        };
        let all = shadow(&|_| true);
        let against = |baseline: &dyn Fn(&CaseFigures) -> Option<Figures>| {
            let difference = |pick: Pick| {
                let differences: Vec<f64> = cases
                    .iter()
                    .filter_map(|case| Some(pick(&case.model)? - pick(&baseline(case)?)?))
                    .collect();
                Difference::of(&differences)
            };
            Against {
                psnr: difference(|f| f.psnr),
                ssim: difference(|f| f.ssim),
            }
        };
        Self {
            name,
            cases: cases.len(),
            reach: mean_of(cases.iter().map(|case| case.reach)).unwrap_or(1.0),
            canvas: means(cases.iter().map(|case| &case.canvas), all),
            naive: means(cases.iter().map(|case| &case.naive), all),
            poisson: means(
                cases.iter().filter_map(|case| case.poisson.as_ref()),
                shadow(&|case| case.poisson.is_some()),
            ),
            model: means(cases.iter().map(|case| &case.model), all),
            ceiling: means(cases.iter().filter_map(|case| case.ceiling.as_ref()), all),
            against_naive: against(&|case| Some(case.naive)),
            against_poisson: against(&|case| case.poisson),
        }
    }
}

/// All cases, each task (if there are several), and each level of each task.
pub fn groups(cases: &[CaseFigures]) -> Vec<Group> {
    let pick = |with: &dyn Fn(&CaseFigures) -> bool| -> Vec<&CaseFigures> {
        cases.iter().filter(|case| with(case)).collect()
    };
    let mut groups = vec![Group::new("all".to_owned(), &pick(&|_| true))];
    let tasks: Vec<&str> = TASKS
        .map(|task| task.name())
        .into_iter()
        .filter(|task| cases.iter().any(|case| case.task == *task))
        .collect();
    for &task in &tasks {
        if tasks.len() > 1 {
            groups.push(Group::new(task.to_owned(), &pick(&|c| c.task == task)));
        }
        for level in Level::ALL.map(Level::name).into_iter().chain(["none"]) {
            let some = pick(&|case| case.task == task && case.level == level);
            if !some.is_empty() {
                groups.push(Group::new(format!("{task}, {level}"), &some));
            }
        }
    }
    groups
}

/// The groups as text.
pub fn table(groups: &[Group]) -> String {
    let mut text = String::new();
    for group in groups {
        // Writing to a string never fails.
        let _ = writeln!(
            text,
            "{} · {} {} · {:.1} % of the change in reach",
            group.name,
            group.cases,
            if group.cases == 1 { "case" } else { "cases" },
            group.reach * 100.0
        );
        let _ = writeln!(
            text,
            "  {:<10}{:>8}{:>8}{:>12}{:>12}{:>9}{:>10}{:>12}{:>9}",
            "",
            "PSNR",
            "SSIM",
            "PSNR object",
            "SSIM object",
            "shadow",
            "of canvas",
            "background",
            "outside"
        );
        for (name, figures) in [
            ("canvas", &group.canvas),
            ("naive", &group.naive),
            ("Poisson", &group.poisson),
            ("model", &group.model),
            ("ceiling", &group.ceiling),
        ] {
            if name == "ceiling" && *figures == Figures::default() {
                continue;
            }
            let cell = |value: Option<f64>, width: usize, digits: usize| match value {
                Some(value) => format!("{value:>width$.digits$}"),
                None => format!("{:>width$}", "–"),
            };
            let _ = writeln!(
                text,
                "  {name:<10}{}{}{}{}{}{}{}{}",
                cell(figures.psnr, 8, 2),
                cell(figures.ssim, 8, 3),
                cell(figures.psnr_object, 12, 2),
                cell(figures.ssim_object, 12, 3),
                cell(figures.shadow, 9, 4),
                cell(figures.shadow_share, 10, 2),
                cell(figures.background, 12, 5),
                cell(figures.outside, 9, 3),
            );
        }
        for (name, against) in [
            ("naive", &group.against_naive),
            ("Poisson", &group.against_poisson),
        ] {
            if let (Some(psnr), Some(ssim)) = (against.psnr, against.ssim) {
                let _ = writeln!(
                    text,
                    "  model − {name}: PSNR {:+.2} [{:+.2}, {:+.2}] dB, better in {:.0} %; SSIM {:+.3} [{:+.3}, {:+.3}], better in {:.0} %",
                    psnr.mean,
                    psnr.low,
                    psnr.high,
                    psnr.better * 100.0,
                    ssim.mean,
                    ssim.low,
                    ssim.high,
                    ssim.better * 100.0
                );
            }
        }
        text.push('\n');
    }
    text
}
