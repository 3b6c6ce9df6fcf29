//! Tables of means over cases, and how sure the differences are.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::super::report::Difference;
use crate::doc::Level;

/// Figures of one picture by name.
pub type Measures = BTreeMap<&'static str, f64>;

/// One picture that was judged.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The case's name.
    pub case: String,
    /// What the case belongs to: its masks' level, or "none".
    pub level: &'static str,
    /// What else the case belongs to; empty where there is nothing to say.
    pub scene: &'static str,
    /// Who made the picture.
    pub method: &'static str,
    /// The figures.
    pub measures: Measures,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The measure's name.
    pub measure: &'static str,
    /// Digits after the point.
    pub digits: usize,
    /// Less is better.
    pub less: bool,
    /// Differences between methods are given.
    pub compared: bool,
}

impl Column {
    /// More is better, differences are given.
    pub const fn more(measure: &'static str, digits: usize) -> Self {
        Self {
            measure,
            digits,
            less: false,
            compared: true,
        }
    }

    /// Less is better, differences are given.
    pub const fn less(measure: &'static str, digits: usize) -> Self {
        Self {
            less: true,
            ..Self::more(measure, digits)
        }
    }

    /// Without differences.
    pub const fn plain(measure: &'static str, digits: usize) -> Self {
        Self {
            compared: false,
            ..Self::more(measure, digits)
        }
    }
}

/// What a table shows.
pub struct Plan<'a> {
    /// Its name.
    pub title: &'a str,
    /// What has to be known to read it.
    pub note: &'a str,
    /// The columns.
    pub columns: &'a [Column],
    /// The rows of each group.
    pub methods: &'a [&'static str],
    /// Pairs of methods whose difference is given: the first minus the second.
    pub pairs: &'a [(&'static str, &'static str)],
    /// A group of all cases comes first.
    pub all: bool,
}

/// A mean of every column for one method.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Who made the pictures.
    pub method: &'static str,
    /// Means; what a method has no figure for is left out.
    pub means: Measures,
}

/// How two methods differ in a measure.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The measure.
    pub measure: &'static str,
    /// The first method.
    pub method: &'static str,
    /// What it is compared with.
    pub against: &'static str,
    /// First − second by cases, whatever number of levels a case has; `better` respects whether less is better.
    pub difference: Difference,
}

/// The rows of some of the cases.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// "all", or what the cases have in common.
    pub name: String,
    /// How many cases.
    pub cases: usize,
    /// A row for each method.
    pub rows: Vec<Row>,
    /// The differences.
    pub compared: Vec<Compared>,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Its name.
    pub title: String,
    /// What has to be known to read it.
    pub note: String,
    /// The groups.
    pub groups: Vec<Group>,
    #[serde(skip)]
    columns: Vec<Column>,
}

/// Shadow errors are compared with the untouched canvas's: the share of the means (the mean of shares would be ruled
/// by the faintest shadows).
const SHADOW: (&str, &str, &str) = ("shadow", "shadow of canvas's", "canvas");

/// What must not happen at all: its greatest value counts, not its mean.
const WORST: &str = "outside";
/// Fewer cases than this have no interval.
const FEWEST: usize = 2;

impl Table {
    /// The table of `entries`, grouped by what `group` says of each, in the order in which groups come up.
    pub fn new(plan: &Plan<'_>, entries: &[Entry], group: fn(&Entry) -> &'static str) -> Self {
        let mut names: Vec<&'static str> = Vec::new();
        for entry in entries {
            if !names.contains(&group(entry)) {
                names.push(group(entry));
            }
        }
        // Strictest first, as everywhere.
        let levels = Level::ALL.map(Level::name);
        names.sort_by_key(|name| levels.iter().position(|level| level == name).unwrap_or(4));
        let mut groups = Vec::new();
        if plan.all {
            groups.push(Group::new("all", plan, &entries.iter().collect::<Vec<_>>()));
        }
        if !plan.all || names.len() > 1 {
            groups.extend(names.iter().map(|name| {
                let some: Vec<&Entry> = entries.iter().filter(|e| group(e) == *name).collect();
                Group::new(name, plan, &some)
            }));
        }
        Self {
            title: plan.title.to_owned(),
            note: plan.note.to_owned(),
            groups,
            columns: plan.columns.to_vec(),
        }
    }

    /// As Markdown; without its title.
    pub fn markdown(&self) -> String {
        // Where nothing honest can be measured there is a note alone.
        if self.columns.is_empty() {
            return format!("{}\n", self.note);
        }
        let mut text = format!("{}\n\n| | cases | |", self.note);
        for column in &self.columns {
            let _ = write!(text, " {} |", column.measure);
        }
        text += "\n|---|---|---|";
        text += &"---|".repeat(self.columns.len());
        text.push('\n');
        for group in &self.groups {
            let (mut name, mut cases) = (group.name.clone(), group.cases.to_string());
            for row in &group.rows {
                let _ = write!(text, "| {name} | {cases} | {} |", row.method);
                for column in &self.columns {
                    let _ = match row.means.get(column.measure) {
                        Some(value) => write!(text, " {value:.*} |", column.digits),
                        None => write!(text, " – |"),
                    };
                }
                text.push('\n');
                (name, cases) = (String::new(), String::new());
            }
        }
        if self.groups.iter().any(|group| !group.compared.is_empty()) {
            text += "\n| difference | | measure | mean | 95 % interval | better in |\n|---|---|---|---|---|---|\n";
        }
        for group in &self.groups {
            for compared in &group.compared {
                let column = self.columns.iter().find(|c| c.measure == compared.measure);
                let digits = column.map_or(3, |column| column.digits);
                let Difference {
                    mean,
                    low,
                    high,
                    better,
                } = compared.difference;
                let _ = writeln!(
                    text,
                    "| {} | {} − {} | {} | {mean:+.digits$} | {low:+.digits$} to {high:+.digits$} | {:.0} % |",
                    group.name,
                    compared.method,
                    compared.against,
                    compared.measure,
                    better * 100.0
                );
            }
        }
        text
    }
}

impl Group {
    fn new(name: &str, plan: &Plan<'_>, entries: &[&Entry]) -> Self {
        let mut cases: Vec<&str> = entries.iter().map(|entry| entry.case.as_str()).collect();
        cases.sort_unstable();
        cases.dedup();
        let of = |method: &str, measure: &str| -> Vec<(&str, &str, f64)> {
            entries
                .iter()
                .filter(|entry| entry.method == method)
                .filter_map(|e| Some((e.case.as_str(), e.level, *e.measures.get(measure)?)))
                .collect()
        };
        let mean = |method: &str, measure: &str| {
            let values = of(method, measure);
            if measure == WORST {
                return values.iter().map(|value| value.2).reduce(f64::max);
            }
            let sum: f64 = values.iter().map(|value| value.2).sum();
            (!values.is_empty()).then(|| sum / values.len() as f64)
        };
        let row = |method: &'static str| {
            let mut means: Measures = plan
                .columns
                .iter()
                .filter_map(|column| Some((column.measure, mean(method, column.measure)?)))
                .collect();
            if let (Some(own), Some(of)) = (mean(method, SHADOW.0), mean(SHADOW.2, SHADOW.0))
                && of > 0.0
            {
                means.insert(SHADOW.1, own / of);
            }
            Row { method, means }
        };
        let rows: Vec<Row> = plan
            .methods
            .iter()
            .map(|method| row(method))
            .filter(|row| !row.means.is_empty())
            .collect();
        let mut compared = Vec::new();
        for &(method, against) in plan.pairs {
            for column in plan.columns.iter().filter(|column| column.compared) {
                let theirs = of(against, column.measure);
                let sign = if column.less { -1.0 } else { 1.0 };
                // By cases: the levels of one case are no cases of their own.
                let mut by_case: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
                for (case, level, own) in of(method, column.measure) {
                    let same = |other: &&(&str, &str, f64)| (other.0, other.1) == (case, level);
                    if let Some((.., other)) = theirs.iter().find(same) {
                        by_case.entry(case).or_default().push(sign * (own - other));
                    }
                }
                let differences: Vec<f64> = by_case
                    .values()
                    .map(|all| all.iter().sum::<f64>() / all.len() as f64)
                    .collect();
                let found = Difference::of(&differences).filter(|_| differences.len() >= FEWEST);
                compared.extend(found.map(|found| Compared {
                    measure: column.measure,
                    method,
                    against,
                    difference: match column.less {
                        false => found,
                        true => Difference {
                            mean: -found.mean,
                            low: -found.high,
                            high: -found.low,
                            better: found.better,
                        },
                    },
                }));
            }
        }
        Self {
            name: name.to_owned(),
            cases: cases.len(),
            rows,
            compared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(case: &str, level: &'static str, method: &'static str, error: f64) -> Entry {
        Entry {
            case: case.into(),
            level,
            scene: "",
            method,
            measures: [("error", error), ("shadow", error / 2.0)].into(),
        }
    }

    const PLAN: Plan<'_> = Plan {
        title: "Errors",
        note: "Less is better.",
        columns: &[
            Column::less("error", 2),
            Column::plain("shadow of canvas's", 2),
        ],
        methods: &["canvas", "model", "nobody"],
        pairs: &[("model", "canvas")],
        all: true,
    };

    #[test]
    fn means_groups_and_differences_by_hand() {
        let entries = [
            entry("a", "blob", "canvas", 4.0),
            entry("a", "blob", "model", 1.0),
            entry("a", "box", "canvas", 4.0),
            entry("a", "box", "model", 3.0),
            entry("b", "box", "canvas", 2.0),
            entry("b", "box", "model", 3.0),
        ];
        let table = Table::new(&PLAN, &entries, |entry| entry.level);
        // One case has no interval.
        assert!(table.groups[1].compared.is_empty() && !table.groups[2].compared.is_empty());
        let names: Vec<_> = table
            .groups
            .iter()
            .map(|g| (g.name.as_str(), g.cases))
            .collect();
        assert_eq!(names, [("all", 2), ("blob", 1), ("box", 2)]);
        let all = &table.groups[0];
        assert_eq!(all.rows.len(), 2);
        assert_eq!(all.rows[0].means["error"], 10.0 / 3.0);
        assert_eq!(all.rows[1].means["error"], 7.0 / 3.0);
        assert!((all.rows[1].means["shadow of canvas's"] - 0.7).abs() < 1e-12);
        // a: −3 and −1, in the mean −2; b: +1.
        let difference = all.compared[0].difference;
        assert_eq!((difference.mean, difference.better), (-0.5, 0.5));
        assert!(difference.low <= -0.5 && difference.high >= -0.5);
        let text = table.markdown();
        assert!(
            text.starts_with("Less is better.\n\n| | cases | | error | shadow of canvas's |\n")
        );
        assert!(text.contains("| all | 2 | canvas | 3.33 | 1.00 |\n|  |  | model | 2.33 | 0.70 |"));
        assert!(
            text.contains("| all | model − canvas | error | -0.50 | -2.00 to +1.00 | 50 % |"),
            "{text}"
        );
    }

    #[test]
    fn the_worst_counts_where_nothing_may_happen_and_levels_have_their_order() {
        let plan = Plan {
            columns: &[Column::plain(WORST, 3)],
            ..PLAN
        };
        let entries = [("a", "none", 0.0), ("b", "box", 0.25), ("c", "exact", 0.0)];
        let entries = entries.map(|(case, level, outside)| Entry {
            measures: [(WORST, outside)].into(),
            ..entry(case, level, "model", 0.0)
        });
        let table = Table::new(&plan, &entries, |entry| entry.level);
        let names: Vec<&str> = table.groups.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["all", "exact", "box", "none"]);
        assert_eq!(table.groups[0].rows[0].means[WORST], 0.25);
    }

    #[test]
    fn one_group_is_not_told_twice() {
        let entries = [entry("a", "none", "canvas", 1.0)];
        let table = Table::new(&PLAN, &entries, |entry| entry.level);
        assert_eq!(table.groups.len(), 1);
        assert!(!table.markdown().contains("difference"));
    }
}
