//! A hub on loopback that misbehaves when it is told to, and what tests of models as files share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use inlay::hub::Options;
use inlay::hub::message::Progress;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const REPO: &str = "makers/tiny-klein";
pub const COMMIT: &str = "c0ffee0123";
/// Files from this length on are named by SHA-256, shorter ones by git's id, as at the hub.
const LARGE: usize = 4000;

/// What goes wrong with the next answer for a file.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is closed after so many bytes, though more were announced.
    Drop(usize),
    /// Nothing comes after so many bytes.
    Stall(usize),
    /// So many bytes come, and no more were announced.
    Short(usize),
    /// More bytes than the file has.
    Long,
    /// One byte is another.
    Flip(usize),
    /// The whole file, whatever was asked for.
    NoRanges,
    /// Another part than was asked for.
    OtherPart,
    /// A status, and the hub's word for it.
    Status(u16, &'static str),
    /// Another server has it.
    Elsewhere(String),
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub path: String,
    pub range: Option<String>,
    pub token: Option<String>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// Checksums that the list names in place of the right ones.
    lies: HashMap<String, String>,
    faults: HashMap<String, VecDeque<Fault>>,
    asked: Vec<Asked>,
    commit: String,
    licence: String,
    /// The names under which its one repository can be asked for.
    repos: Vec<String>,
}

/// A server for one repository.
pub struct Server {
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
    pub address: String,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            commit: COMMIT.to_owned(),
            licence: "apache-2.0".to_owned(),
            repos: vec![REPO.to_owned()],
            ..State::default()
        }));
        let over = Arc::new(AtomicBool::new(false));
        let (of_thread, ended) = (Arc::clone(&state), Arc::clone(&over));
        thread::Builder::new()
            .name("loopback".into())
            .spawn(move || {
                for stream in listener.incoming() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let (state, ended) = (Arc::clone(&of_thread), Arc::clone(&ended));
                    let Ok(stream) = stream else { continue };
                    let served = thread::Builder::new().name("loopback connection".into());
                    // The client may go away at any time.
                    let served = served.spawn(move || drop(serve(stream, &state, &ended)));
                    served.expect("a thread");
                }
            })
            .expect("a thread");
        Self {
            state,
            over,
            address,
        }
    }

    /// A server for the tiny model, with files that nobody wants.
    pub fn with_model() -> Self {
        let server = Self::start();
        for (path, bytes) in model_files() {
            server.put(&path, bytes);
        }
        server.put("flux-2-klein-4b.safetensors", vec![1; 9000]);
        server.put("transformer/weights.bin", vec![2; 9000]);
        server.put("README.md", b"a card".to_vec());
        server.put("LICENSE.md", b"a licence".to_vec());
        server
    }

    pub fn put(&self, path: &str, bytes: Vec<u8>) {
        self.state.lock().unwrap().files.insert(path.into(), bytes);
    }

    /// Lets the next answers for a file, or for the list (""), go wrong in this order.
    pub fn fail(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut state = self.state.lock().unwrap();
        let queue = state.faults.entry(path.to_owned()).or_default();
        queue.extend(faults);
    }

    /// Lets the list name another checksum.
    pub fn lie(&self, path: &str, digits: &str) {
        let mut state = self.state.lock().unwrap();
        state.lies.insert(path.into(), digits.into());
    }

    pub fn set_commit(&self, commit: &str) {
        self.state.lock().unwrap().commit = commit.to_owned();
    }

    /// Gives the same files under another repository's name too.
    pub fn also_as(&self, repo: &str) {
        self.state.lock().unwrap().repos.push(repo.to_owned());
    }

    /// Lets the card name another licence.
    pub fn set_licence(&self, licence: &str) {
        self.state.lock().unwrap().licence = licence.to_owned();
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The ranges that were asked for of a file, in order.
    pub fn ranges(&self, path: &str) -> Vec<Option<String>> {
        let ending = format!("/{path}");
        let asked = self.asked().into_iter();
        let of_file = asked.filter(|asked| asked.path.ends_with(&ending));
        of_file.map(|asked| asked.range).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn git_id(bytes: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    hex(&hasher.finalize())
}

fn list(state: &State) -> Vec<u8> {
    let siblings: Vec<_> = state
        .files
        .iter()
        .map(|(path, bytes)| {
            let lie = state.lies.get(path).cloned();
            let size = bytes.len();
            if size >= LARGE {
                let sum = lie.unwrap_or_else(|| sha256(bytes));
                serde_json::json!({"rfilename": path, "size": size, "blobId": "0".repeat(40),
                    "lfs": {"sha256": sum, "size": size, "pointerSize": 130}})
            } else {
                let sum = lie.unwrap_or_else(|| git_id(bytes));
                serde_json::json!({"rfilename": path, "size": size, "blobId": sum})
            }
        })
        .collect();
    let list = serde_json::json!({"id": REPO, "sha": state.commit, "siblings": siblings,
        "cardData": {"license": state.licence}});
    serde_json::to_vec(&list).expect("JSON")
}

fn serve(stream: TcpStream, state: &Mutex<State>, over: &AtomicBool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let range = headers.get("range").cloned();
    let listing = path.starts_with("/api/models/");
    let file = match path.split_once("/resolve/") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, file)| file).to_owned(),
        None => String::new(),
    };
    let (bytes, fault) = {
        let mut state = state.lock().unwrap();
        state.asked.push(Asked {
            path: path.clone(),
            range: range.clone(),
            token: headers.get("authorization").cloned(),
        });
        let fault = state.faults.get_mut(&file).and_then(VecDeque::pop_front);
        let is_it = |repo: &String| path == format!("/api/models/{repo}/revision/main?blobs=true");
        let known = state.repos.iter().any(is_it);
        let bytes = match listing {
            true => known.then(|| list(&state)),
            false => state.files.get(&file).cloned(),
        };
        (bytes, fault)
    };
    let mut stream = stream;
    let mut answer = |head: &str, length: usize, body: &[u8]| {
        write!(
            stream,
            "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )?;
        stream.write_all(body)?;
        stream.flush()
    };
    let Some(bytes) = bytes else {
        return answer("404 Not Found\r\nX-Error-Code: EntryNotFound", 0, b"");
    };
    let start: usize = range
        .as_deref()
        .and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    if start > 0 && start >= bytes.len() {
        return answer("416 Range Not Satisfiable", 0, b"");
    }
    let partial = |start: usize| match range {
        Some(_) => format!(
            "206 Partial Content\r\nContent-Range: bytes {start}-{}/{}",
            bytes.len() - 1,
            bytes.len()
        ),
        None => "200 OK".to_owned(),
    };
    let (head, rest) = (partial(start), &bytes[start..]);
    match fault {
        None => answer(&head, rest.len(), rest),
        Some(Fault::Drop(n)) => answer(&head, rest.len(), &rest[..n.min(rest.len())]),
        Some(Fault::Stall(n)) => {
            answer(&head, rest.len(), &rest[..n.min(rest.len())])?;
            while !over.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        }
        Some(Fault::Short(n)) => answer(&head, n, &rest[..n]),
        Some(Fault::Long) => {
            let longer = [rest, b"and more"].concat();
            answer(&head, longer.len(), &longer)
        }
        Some(Fault::Flip(at)) => {
            let mut wrong = rest.to_vec();
            wrong[at] ^= 1;
            answer(&head, wrong.len(), &wrong)
        }
        Some(Fault::NoRanges) => answer("200 OK", bytes.len(), &bytes),
        Some(Fault::OtherPart) => answer(&partial(start + 1), rest.len() - 1, &rest[1..]),
        Some(Fault::Status(status, code)) => {
            answer(&format!("{status} No\r\nX-Error-Code: {code}"), 0, b"")
        }
        Some(Fault::Elsewhere(address)) => {
            answer(&format!("302 Found\r\nLocation: {address}{path}"), 0, b"")
        }
    }
}

/// The folder of the tiny model in diffusers' layout.
pub fn model_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/flux2/model")
}

/// All files of the tiny model.
pub fn model_files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    collect(&model_folder(), "", &mut files);
    files
}

/// All files below a folder by their paths.
pub fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).expect("reads"));
        }
    }
}

pub fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    collect(folder, "", &mut files);
    files
}

/// Options for a folder and a server, with little patience.
pub fn options(data: &Path, address: &str) -> Options {
    let mut options = Options::new(data.to_owned());
    options.endpoint = address.to_owned();
    options.patience = Duration::from_millis(400);
    options.tries = 3;
    options.pause = Duration::from_millis(1);
    options
}

pub fn never() -> bool {
    false
}

pub fn quietly(_: Progress) {}

/// A single file of the tiny model, as other people publish them.
pub fn single(file: &str) -> PathBuf {
    model_folder().with_file_name("single").join(file)
}

/// The tiny model as ComfyUI keeps such files, without a tokenizer; gives the transformer's file.
pub fn comfy(root: &Path) -> PathBuf {
    let models = root.join("models");
    for folder in ["diffusion_models/flux2", "vae", "text_encoders"] {
        std::fs::create_dir_all(models.join(folder)).expect("a folder");
    }
    let copy = |from: &str, to: &str| {
        let to = models.join(to);
        std::fs::copy(single(from), &to).expect("copies");
        to
    };
    copy("vae.safetensors", "vae/flux2-vae.safetensors");
    let mut tensors = HashMap::new();
    for n in [1, 2] {
        let shard = format!("text_encoder/model-0000{n}-of-00002.safetensors");
        let device = candle_core::Device::Cpu;
        let shard = candle_core::safetensors::load(model_folder().join(shard), &device);
        tensors.extend(shard.expect("loads"));
    }
    let text = models.join("text_encoders/qwen_3_4b.safetensors");
    candle_core::safetensors::save(&tensors, text).expect("saves");
    copy(
        "transformer.safetensors",
        "diffusion_models/flux2/klein.safetensors",
    )
}
