//! `inlay models`: which models there are; getting, checking and removing them.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{AddArgs, DownloadArgs, ModelsCommand, RemoveArgs, VerifyArgs};
use super::error::CliError;
use super::output::{self, Progress};
use super::run::Interrupt;
use crate::engine::ModelSource;
use crate::hub::message::{Found, Memory, MemoryOf, Origin, Phase, Progress as Done, Row, State};
use crate::hub::{HubError, Options, Store, gigabytes};
use crate::model::EMBEDDED_NAME;

/// Carries a command out.
pub fn run(command: ModelsCommand) -> Result<(), CliError> {
    let options = Options::of_user()?;
    match command {
        ModelsCommand::List(args) => list(&Store::new(options), args.json),
        ModelsCommand::Add(args) => add(options, &args),
        ModelsCommand::Download(args) => download(options, &args),
        ModelsCommand::Verify(args) => verify(&Store::new(options), &args),
        ModelsCommand::Remove(args) => remove(&Store::new(options), &args),
    }
}

/// What `--model` and `--vae` name.
///
/// # Errors
/// If one is a name, and no model's; or a `--vae` comes without a model that could take it.
pub fn source_with(model: Option<&Path>, vae: Option<&Path>) -> Result<ModelSource, CliError> {
    let source = source(model)?;
    let Some(vae) = vae else {
        return Ok(source);
    };
    match (source, self::source(Some(vae))?) {
        (ModelSource::Folder(model), ModelSource::Folder(vae)) => {
            Ok(ModelSource::WithVae { model, vae })
        }
        _ => Err(CliError::usage(
            "--vae is an autoencoder for a FLUX.2 model: name that with --model",
        )),
    }
}

/// What `--model` names: a path, or a model of the list.
///
/// # Errors
/// If it is a name, and no model's.
pub fn source(model: Option<&Path>) -> Result<ModelSource, CliError> {
    let Some(path) = model else {
        return Ok(ModelSource::Embedded);
    };
    // A path that does not exist is told by the loader.
    if path.exists() || path.components().count() != 1 {
        return Ok(ModelSource::Folder(path.to_owned()));
    }
    let name = path.to_string_lossy();
    if name.eq_ignore_ascii_case(EMBEDDED_NAME) {
        return Ok(ModelSource::Embedded);
    }
    let place = Options::of_user().and_then(|options| Store::new(options).path_of(&name));
    match place {
        Ok(place) => Ok(ModelSource::Folder(place)),
        Err(HubError::Unknown(_)) => Err(CliError::Failure(format!(
            "there is no file or folder “{name}” and no model of this name: `inlay models list` shows the names"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Where the model of this name is, if there is one.
pub fn registered(name: &str) -> Option<PathBuf> {
    let store = Store::new(Options::of_user().ok()?);
    store.path_of(name).ok()
}

/// What `models add --find --json` prints.
#[derive(Serialize)]
struct Added {
    added: Vec<String>,
    unusable: Vec<Found>,
}

fn list(store: &Store, json: bool) -> Result<(), CliError> {
    let rows = store.list()?;
    if json {
        return output::json(&rows);
    }
    output::table(&table(&rows))?;
    let progress = Progress::new();
    for row in &rows {
        if let State::Unusable { why } = &row.state {
            progress.warning(&format!("{}: {why}", row.name));
        }
    }
    progress.finish();
    Ok(())
}

/// The list for reading.
fn table(rows: &[Row]) -> Vec<String> {
    let titles = ["name", "kind", "size", "licence", "memory", "where"];
    let mut cells = vec![titles.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        [
            row.name.clone(),
            row.kind.clone(),
            row.size().unwrap_or_else(|| "–".to_owned()),
            licence(row),
            row.memory.map_or_else(|| "–".to_owned(), memory),
            place(row),
        ]
    }));
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let line = |row: &[String; 6]| {
        let padded = row.iter().zip(&widths).map(|(cell, &width)| {
            let fill = width - cell.chars().count();
            format!("{cell}{}", " ".repeat(fill))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

fn licence(row: &Row) -> String {
    let name = row.licence.clone().unwrap_or_else(|| "unknown".to_owned());
    match row.commercial {
        Some(false) => format!("{name} (not for commercial use)"),
        _ => name,
    }
}

fn memory(memory: Memory) -> String {
    let [all, in_turn, least] = [memory.all, memory.in_turn, memory.least].map(gigabytes);
    let place = match memory.place {
        MemoryOf::Cpu => "CPU",
        MemoryOf::Gpu => "GPU",
    };
    if all == least {
        format!("{all} ({place})")
    } else {
        format!("{all}, {in_turn} in turn, {least} rounded ({place})")
    }
}

fn place(row: &Row) -> String {
    match (row.origin, &row.place) {
        (Origin::BuiltIn, _) => "in the program".to_owned(),
        (Origin::Available, _) if row.gated => {
            "not here; can be downloaded with a token".to_owned()
        }
        (Origin::Available, _) => "not here; can be downloaded".to_owned(),
        (_, Some(place)) => place.display().to_string(),
        (_, None) => String::new(),
    }
}

fn add(mut options: Options, args: &AddArgs) -> Result<(), CliError> {
    let progress = Progress::new();
    if let Some(path) = &args.path {
        let name = Store::new(options).add(path, args.name.as_deref())?;
        progress.saved(&format!("added {name}"));
        return Ok(());
    }
    for folder in &args.folders {
        options.places.comfy.push(folder.clone());
        options.places.invoke.push(folder.clone());
        options.places.hub.push(folder.clone());
    }
    let store = Store::new(options);
    let (mut added, mut unusable) = (Vec::new(), Vec::new());
    for mut found in store.find() {
        if found.problem.is_none() {
            match store.add(&found.place, None) {
                Ok(name) => {
                    let place = found.place.display();
                    progress.saved(&format!("added {name} ({}): {place}", found.kind));
                    added.push(name);
                    continue;
                }
                Err(error) => found.problem = Some(error.to_string()),
            }
        }
        if let Some(problem) = &found.problem {
            progress.warning(&format!("{problem}: {}", found.place.display()));
        }
        unusable.push(found);
    }
    if args.json {
        return output::json(&Added { added, unusable });
    }
    if added.is_empty() {
        return Err(CliError::failure(
            "no new model was found in the folders of ComfyUI, InvokeAI and the hub's cache: name others with --in",
        ));
    }
    Ok(())
}

fn download(mut options: Options, args: &DownloadArgs) -> Result<(), CliError> {
    options.offline |= args.offline;
    let store = Store::new(options);
    let wanted = store.wanted(&args.model, args.files.clone(), args.name.clone())?;
    if let Some(licence) = wanted.licence.filter(|licence| !licence.commercial)
        && !args.accept_licence
    {
        return Err(HubError::Licence {
            name: wanted.name.clone(),
            licence: licence.name.to_owned(),
            page: format!("{}/{}", store.options().endpoint, wanted.repo),
        }
        .into());
    }
    let token = args.token_file.as_deref().map(token).transpose()?;
    let before = store.list()?;
    let interrupt = Interrupt::watch()?;
    let mut progress = Progress::new();
    let mut phase = None;
    let name = store.download(
        &wanted,
        token,
        &|| interrupt.cancel.is_cancelled(),
        &mut |done| {
            if phase != Some(done.phase) {
                phase = Some(done.phase);
                match done.phase {
                    Phase::Asking => progress.message("asking the hub"),
                    Phase::Waiting => progress.warning("the connection was lost, trying again"),
                    Phase::Checking | Phase::Downloading => {}
                }
            }
            if matches!(done.phase, Phase::Checking | Phase::Downloading) {
                progress.bytes(done.share(), &words(&done));
            }
        },
    );
    progress.finish();
    let name = name?;
    let rows = store.list()?;
    let row = rows.iter().find(|row| row.name == name);
    let place = row.and_then(|row| row.place.clone()).unwrap_or_default();
    progress.saved(&format!("downloaded {name}: {}", place.display()));
    let unread = wanted.licence.is_none() && row.is_some_and(|row| row.commercial == Some(false));
    if let Some(licence) = row
        .and_then(|row| row.licence.as_deref())
        .filter(|_| unread)
    {
        progress.warning(&format!(
            "{name} is under the licence {licence}, for non-commercial use only"
        ));
    }
    if let Some(State::Unusable { why }) = row.map(|row| &row.state) {
        progress.warning(why);
    }
    // What lacked just these parts.
    let was_usable = |name: &str| before.iter().any(|row| row.name == name && row.is_usable());
    for row in rows.iter().filter(|row| row.is_usable()) {
        if row.name != name && !was_usable(&row.name) {
            progress.saved(&format!("{} is complete now", row.name));
        }
    }
    Ok(())
}

/// A token from a file, or from standard input.
fn token(file: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| {
        let reason = crate::io::error::plain(&error);
        CliError::Failure(format!(
            "the token can't be read ({reason}): {}",
            file.display()
        ))
    })?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(CliError::Failure(format!(
            "the file holds no token, put one line into it: {}",
            file.display()
        )));
    }
    Ok(token.to_owned())
}

/// How far it is, in words.
fn words(done: &Done) -> String {
    let mut text = format!("{} of {}", gigabytes(done.done), gigabytes(done.total));
    if done.phase == Phase::Checking {
        text.push_str(" checked");
    } else if let Some(left) = done.seconds_left() {
        let left = std::time::Duration::from_secs_f64(left.min(1e7));
        text.push_str(&format!(
            ", {} a second, {} left",
            gigabytes(done.speed as u64),
            indicatif::HumanDuration(left)
        ));
    }
    format!("{text} ({})", done.file)
}

fn verify(store: &Store, args: &VerifyArgs) -> Result<(), CliError> {
    let interrupt = Interrupt::watch()?;
    let mut progress = Progress::new();
    let report = store.verify(
        &args.name,
        &|| interrupt.cancel.is_cancelled(),
        &mut |done| progress.bytes(done.share(), &words(&done)),
    );
    progress.finish();
    let report = match report {
        Err(HubError::Cancelled) => return Err(CliError::failure("cancelled")),
        report => report?,
    };
    if args.json {
        output::json(&report)?;
    }
    let sentence = format!("{}: {}", args.name, report.sentence());
    if report.is_good() {
        progress.saved(&sentence);
        return Ok(());
    }
    Err(CliError::Failure(format!(
        "{sentence}; download or copy these files again"
    )))
}

fn remove(store: &Store, args: &RemoveArgs) -> Result<(), CliError> {
    let rows = store.list()?;
    let row = rows
        .iter()
        .find(|row| row.name.eq_ignore_ascii_case(&args.name));
    let ours = row.is_some_and(|row| row.origin == Origin::Downloaded);
    if !args.yes && row.is_some_and(|row| matches!(row.origin, Origin::Downloaded | Origin::Added))
    {
        let question = if ours {
            "delete the downloaded files of"
        } else {
            "forget (your files stay)"
        };
        if !ask(&format!("{question} {}?", args.name))? {
            return Err(CliError::failure("nothing was removed"));
        }
    }
    let bytes = store.remove(&args.name)?;
    Progress::new().saved(&if ours {
        format!("removed {}, {} are free again", args.name, gigabytes(bytes))
    } else {
        format!("{} is no longer in the list, its files stay", args.name)
    });
    Ok(())
}

/// Asks on the terminal; without one only `--yes` answers.
fn ask(question: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage("nobody can be asked here, add --yes"));
    }
    let mut err = std::io::stderr().lock();
    // Without stderr nobody sees the question, and no answer is a no.
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
