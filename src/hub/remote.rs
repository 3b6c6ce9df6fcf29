//! The hub: which files a repository has, and their bytes from any place on.
//!
//! A request runs on a thread of its own and its bytes come through a bounded channel, so that whoever waits for
//! them can be cancelled at once and notices when nothing comes, whatever the connection hangs in.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use hf_hub::{Repo, RepoType};
use serde::Deserialize;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

use super::error::{HubError, Result};
use super::options::Options;
use super::sum::{CHUNK, Sum};

/// How often whoever waits looks whether to stop.
const WATCH: Duration = Duration::from_millis(20);
/// Pieces that may wait.
const WAITING: usize = 4;
/// Redirections that are followed.
const MAX_REDIRECTS: usize = 8;
/// The longest pause between two tries.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// The longest list of files that is read, in bytes.
const MAX_LIST: usize = 32 << 20;

/// A file of a repository.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RemoteFile {
    /// Its path in the repository, with `/`.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its checksum.
    pub sum: Option<Sum>,
}

/// What a repository has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listing {
    /// The commit that the list is of.
    pub commit: String,
    /// All files.
    pub files: Vec<RemoteFile>,
    /// The licence that its card names.
    pub licence: Option<String>,
}

/// The hub.
pub(super) struct Remote {
    endpoint: String,
    host: String,
    token: Option<String>,
    patience: Duration,
    tries: u32,
    pause: Duration,
    agent: Agent,
}

/// A piece of an answer.
pub(super) enum Piece {
    /// Status, where its bytes begin in the file, and the hub's word for what is wrong.
    Head(u16, Option<u64>, Option<String>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// No more bytes.
    End,
    /// Nobody answers.
    Unreachable(String),
    /// The connection broke.
    Broken(String),
    /// Nothing came for too long.
    Stalled,
}

/// An answer that is coming in.
pub(super) struct Answer {
    pieces: Receiver<Piece>,
    patience: Duration,
}

impl Answer {
    /// Waits for the next piece.
    ///
    /// # Errors
    /// If the caller asked to stop.
    pub fn next(&self, cancel: &dyn Fn() -> bool) -> Result<Piece> {
        let began = Instant::now();
        loop {
            if cancel() {
                return Err(HubError::Cancelled);
            }
            match self.pieces.recv_timeout(WATCH) {
                Ok(piece) => return Ok(piece),
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Piece::Broken("the connection was lost".to_owned()));
                }
                Err(RecvTimeoutError::Timeout) if began.elapsed() >= self.patience => {
                    return Ok(Piece::Stalled);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(rename = "cardData")]
    card: Option<Card>,
}

#[derive(Deserialize)]
struct Card {
    license: Option<serde_json::Value>,
    license_name: Option<String>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

impl Remote {
    /// The hub that the options name. A token is sent to it alone, not to the servers it refers to.
    pub fn new(options: &Options, token: Option<String>) -> Self {
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        let host = endpoint.split("://").last().unwrap_or_default();
        let host = host.split('/').next().unwrap_or_default().to_owned();
        let patience = options.patience;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, so that the token stays with the hub.
            .max_redirects(0)
            .user_agent(concat!("inlay/", env!("CARGO_PKG_VERSION")))
            // Ranges are of the bytes as they are.
            .accept_encoding("identity")
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            // Ends the thread some time after whoever waited has given up.
            .timeout_per_read(Some(patience * 2))
            .timeout_per_write(Some(patience * 2))
            // A broken connection is not to be used again.
            .max_idle_connections(0);
        if ["127.", "localhost", "[::1]"]
            .iter()
            .any(|own| host.starts_with(own))
        {
            config = config.proxy(None);
        }
        Self {
            agent: config.build().new_agent(),
            endpoint,
            host,
            token: token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty()),
            patience,
            tries: options.tries,
            pause: options.pause,
        }
    }

    /// The page of a repository.
    pub fn page(&self, repo: &str) -> String {
        format!("{}/{repo}", self.endpoint)
    }

    /// Asks which files a repository has, again if the hub is busy; `waiting` is called before each pause.
    ///
    /// # Errors
    /// If the hub can't be reached, does not give it, or what it says makes no sense.
    pub fn list(
        &self,
        repo: &str,
        cancel: &dyn Fn() -> bool,
        waiting: &mut dyn FnMut(),
    ) -> Result<Listing> {
        let (mut tries, mut pause) = (0, self.pause);
        loop {
            tries += 1;
            match self.try_list(repo, cancel) {
                Err(HubError::Status { status, .. }) if is_busy(status) && tries < self.tries => {
                    waiting();
                    wait(pause, cancel)?;
                    pause = (pause * 2).min(LONGEST);
                }
                done => return done,
            }
        }
    }

    fn try_list(&self, repo: &str, cancel: &dyn Fn() -> bool) -> Result<Listing> {
        let of_hub = Repo::new(repo.to_owned(), RepoType::Model);
        let url = format!("{}/api/{}?blobs=true", self.endpoint, of_hub.api_url());
        let answer = self.get(&url, 0)?;
        let mut bytes = Vec::new();
        loop {
            match answer.next(cancel)? {
                Piece::Head(200, ..) => {}
                Piece::Head(status, _, code) => {
                    return Err(self.refusal(status, code.as_deref(), repo, "repository"));
                }
                Piece::Bytes(more) if bytes.len() + more.len() <= MAX_LIST => bytes.extend(more),
                Piece::Bytes(_) => return Err(reply(repo, "it is too long")),
                Piece::End => break,
                Piece::Unreachable(reason) | Piece::Broken(reason) => {
                    return Err(self.unreachable(&reason));
                }
                Piece::Stalled => return Err(self.unreachable("it does not answer")),
            }
        }
        let info: Info =
            serde_json::from_slice(&bytes).map_err(|error| reply(repo, &error.to_string()))?;
        listing(info, repo)
    }

    /// Asks for a file's bytes from a place on.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn file(&self, repo: &str, commit: &str, path: &str, from: u64) -> Result<Answer> {
        let of_hub = Repo::with_revision(repo.to_owned(), RepoType::Model, commit.to_owned());
        let (repo, commit) = (of_hub.url(), of_hub.url_revision());
        let url = format!(
            "{}/{repo}/resolve/{commit}/{}",
            self.endpoint,
            escaped(path)
        );
        self.get(&url, from)
    }

    /// What a status other than success means.
    pub fn refusal(&self, status: u16, code: Option<&str>, repo: &str, what: &str) -> HubError {
        let what = match what {
            "repository" => format!("repository {repo}"),
            file => format!("file {file} in {repo}"),
        };
        let (repo, page) = (repo.to_owned(), self.page(repo));
        match (status, code) {
            // The hub also answers 401 for names it does not know.
            (404, _) | (401, Some("RepoNotFound")) => HubError::NotFound(what),
            (401 | 403, _) if self.token.is_some() => HubError::Refused { repo, page },
            (401 | 403, _) => HubError::Gated { repo, page },
            _ => HubError::Status { what, status },
        }
    }

    /// That nobody answers.
    pub fn unreachable(&self, reason: &str) -> HubError {
        HubError::Unreachable {
            host: self.host.clone(),
            reason: reason.to_owned(),
        }
    }

    fn get(&self, url: &str, from: u64) -> Result<Answer> {
        let (sender, pieces) = sync_channel(WAITING);
        let request = Request {
            agent: self.agent.clone(),
            origin: origin_of(&self.endpoint).to_owned(),
            token: self.token.clone(),
            from,
        };
        let url = url.to_owned();
        std::thread::Builder::new()
            .name("inlay-hub-read".to_owned())
            .spawn(move || match request.answer(url) {
                Ok(response) => pass_on(response, &sender),
                // Nobody may be waiting any more.
                Err(piece) => drop(sender.send(piece)),
            })
            .map_err(|error| HubError::Thread(error.to_string()))?;
        Ok(Answer {
            pieces,
            patience: self.patience,
        })
    }
}

/// Whether a status says that the hub may well answer later.
pub(super) fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// Waits before the next try.
///
/// # Errors
/// If the caller asked to stop.
pub(super) fn wait(pause: Duration, cancel: &dyn Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < pause {
        if cancel() {
            return Err(HubError::Cancelled);
        }
        std::thread::sleep(pause.min(WATCH));
    }
    Ok(())
}

/// What a request needs on its thread.
struct Request {
    agent: Agent,
    /// Where the token may go.
    origin: String,
    token: Option<String>,
    from: u64,
}

impl Request {
    /// The response after all redirections.
    fn answer(&self, mut url: String) -> std::result::Result<Response<Body>, Piece> {
        for _ in 0..MAX_REDIRECTS {
            let mut request = self.agent.get(&url);
            let token = self.token.as_ref();
            if let Some(token) = token.filter(|_| origin_of(&url) == self.origin) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            if self.from > 0 {
                request = request.header(header::RANGE, format!("bytes={}-", self.from));
            }
            let response = request.call().map_err(|error| failed(&error))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(header::LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            url = match location {
                Some(path) if path.starts_with('/') && !path.starts_with("//") => {
                    format!("{}{path}", origin_of(&url))
                }
                Some(address) if address.contains("://") => address.to_owned(),
                _ => return Err(Piece::Broken("the hub refers to nowhere".to_owned())),
            };
        }
        Err(Piece::Broken("the hub refers in circles".to_owned()))
    }
}

/// Scheme, host and port of an address.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']);
    end.map_or(url, |end| &url[..host + end])
}

/// Passes a response on piece by piece until nobody listens.
fn pass_on(response: Response<Body>, sender: &SyncSender<Piece>) {
    let text = |name: &str| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    // "bytes 5-9/10"
    let start = text("content-range").and_then(|range| {
        let range = range.trim().strip_prefix("bytes")?.trim().to_owned();
        range.split('-').next()?.trim().parse().ok()
    });
    let head = Piece::Head(response.status().as_u16(), start, text("x-error-code"));
    if sender.send(head).is_err() {
        return;
    }
    let mut reader = response.into_body().into_reader();
    loop {
        let mut chunk = vec![0; CHUNK];
        let piece = match reader.read(&mut chunk) {
            Ok(0) => Piece::End,
            Ok(n) => {
                chunk.truncate(n);
                Piece::Bytes(chunk)
            }
            Err(error) => Piece::Broken(words(&error)),
        };
        let over = !matches!(piece, Piece::Bytes(_));
        if sender.send(piece).is_err() || over {
            return;
        }
    }
}

fn failed(error: &ureq::Error) -> Piece {
    match error {
        ureq::Error::HostNotFound => {
            Piece::Unreachable("the name of the host is not known".to_owned())
        }
        ureq::Error::ConnectionFailed => Piece::Unreachable("no connection".to_owned()),
        ureq::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                Piece::Unreachable("the connection is refused".to_owned())
            }
            _ => Piece::Broken(words(error)),
        },
        ureq::Error::Timeout(_) => Piece::Broken("it does not answer".to_owned()),
        error => Piece::Broken(error.to_string()),
    }
}

/// The system's words for a broken connection.
fn words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
            "the connection was lost".to_owned()
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "nothing came any more".to_owned(),
        _ => crate::io::error::plain(error),
    }
}

fn reply(repo: &str, reason: &str) -> HubError {
    HubError::Reply {
        repo: repo.to_owned(),
        reason: reason.to_owned(),
    }
}

fn listing(info: Info, repo: &str) -> Result<Listing> {
    if info.sha.is_empty() || !info.sha.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(reply(repo, "it names no commit"));
    }
    let mut files = Vec::with_capacity(info.siblings.len());
    for sibling in info.siblings {
        let lfs = sibling.lfs.as_ref();
        let size = lfs.and_then(|lfs| lfs.size).or(sibling.size);
        let Some(size) = size else {
            return Err(reply(
                repo,
                &format!("it gives no size for {}", sibling.rfilename),
            ));
        };
        let digits = lfs.map_or(sibling.blob.as_deref(), |lfs| lfs.sha256.as_deref());
        files.push(RemoteFile {
            sum: digits.and_then(Sum::from_etag),
            path: sibling.rfilename,
            size,
        });
    }
    let licence = info.card.and_then(|card| {
        let name = card.license.as_ref().and_then(|name| name.as_str());
        match name {
            Some("other") | None => card.license_name.clone(),
            Some(name) => Some(name.to_owned()),
        }
    });
    Ok(Listing {
        commit: info.sha,
        files,
        licence,
    })
}

/// A path as it stands in an address: all but unreserved characters and `/` as `%XX` (RFC 3986, section 2).
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_list_is_read() {
        let sha256 = "a".repeat(64);
        let git = "b".repeat(40);
        let text = format!(
            r#"{{"sha":"c0ffee","cardData":{{"license":"apache-2.0"}},"siblings":[
                {{"rfilename":"x/w.safetensors","size":9,"blobId":"{git}",
                  "lfs":{{"sha256":"{sha256}","size":9,"pointerSize":1}}}},
                {{"rfilename":"c.json","size":3,"blobId":"{git}"}}]}}"#
        );
        let listing = listing(serde_json::from_str(&text).unwrap(), "a/b").unwrap();
        assert_eq!(listing.licence.as_deref(), Some("apache-2.0"));
        let sums: Vec<_> = listing
            .files
            .iter()
            .map(|f| (f.size, f.sum.clone()))
            .collect();
        assert_eq!(
            sums,
            [(9, Some(Sum::Sha256(sha256))), (3, Some(Sum::GitSha1(git)))]
        );
    }

    #[test]
    fn a_list_without_sizes_or_commit_is_refused() {
        for text in [
            r#"{"sha":"1","siblings":[{"rfilename":"a"}]}"#,
            r#"{"sha":"../x","siblings":[]}"#,
        ] {
            assert!(listing(serde_json::from_str(text).unwrap(), "a/b").is_err());
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (url, origin) in [
            ("https://hub.co/a/b", "https://hub.co"),
            ("http://hub.co:80?x=//", "http://hub.co:80"),
            ("https://hub.co", "https://hub.co"),
        ] {
            assert_eq!(origin_of(url), origin);
        }
        assert_ne!(origin_of("https://hub.co@evil.org/"), "https://hub.co");
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escaped("a b/ü#.json"), "a%20b/%C3%BC%23.json");
    }
}
