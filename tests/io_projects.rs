//! Projects: what is saved comes back, other programs can open it, and broken files say so.

mod files;

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use inlay::doc::document::Settings;
use inlay::doc::perceive::MapKind;
use inlay::doc::{ControlKind, Document, Edit, JobSpec, Level, Mask, Picture, Plane, Purpose};
use inlay::io::project::Kept;
use inlay::io::{picture, project};

fn noise(width: u32, height: u32, alpha: bool) -> Arc<Picture> {
    let mut picture = Picture::filled(width, height, [0, 0, 0, 255]);
    for (i, value) in picture.pixels_mut().iter_mut().enumerate() {
        if alpha || i % 4 != 3 {
            *value = (i * i * 31 % 251) as u8;
        }
    }
    Arc::new(picture)
}

fn document() -> Document {
    let mut document = Document::new();
    let mut add = |picture, name: &str, purpose| {
        let edit = Edit::AddSlot {
            picture,
            name: name.into(),
            source: Some(format!("pictures/{name}.png")),
            purpose,
        };
        document.apply(edit).expect("added");
    };
    add(noise(300, 200, false), "Table <&> \"chair\"", None);
    add(noise(40, 50, true), "cup", None);
    add(
        noise(300, 200, false),
        "lines",
        Some(Purpose::Control(ControlKind::Scribble)),
    );
    let cup = document.slots()[1].id;
    for (level, asset, shift) in [(Level::Outline, Some(cup), 0), (Level::Box, None, 90)] {
        let mut plane = Plane::filled(300, 200, 0);
        for y in 20..60 {
            for x in 30..70 {
                plane.values_mut()[y * 300 + x + shift] = (x + y) as u8;
            }
        }
        let edit = Edit::AddRegion {
            mask: Some(Mask::from_plane(&plane)),
            level,
            asset,
        };
        document.apply(edit).expect("added");
    }
    for edit in [
        Edit::SetPrompt("IMG2 on the table, IMG4".into()),
        Edit::SetTags(Some(vec!["static scenario".into()])),
        Edit::SetSettings(Settings {
            outputs: 3,
            seed: u64::MAX,
            steps: Some(9),
            guidance_text: Some(2.5),
            crop: Some([10, 20, 100, 90]),
            ..Settings::default()
        }),
    ] {
        document.apply(edit).expect("set");
    }
    document
}

fn saved(document: &Document) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("work.ora");
    project::write(&path, document, &[]).expect("saved");
    (folder, path)
}

/// A document's contents without the identities of slots and regions.
fn contents(document: &Document) -> String {
    let slots: Vec<_> = document
        .slots()
        .iter()
        .map(|slot| {
            let picture = inlay::doc::job::hash_picture(&slot.picture);
            (&slot.name, &slot.source, slot.purpose, picture)
        })
        .collect();
    let regions: Vec<_> = document
        .regions()
        .iter()
        .map(|region| {
            let asset = document
                .slots()
                .iter()
                .position(|slot| Some(slot.id) == region.asset);
            let mask = inlay::doc::job::hash_mask(&region.mask.to_plane());
            (region.level, asset, mask)
        })
        .collect();
    let (prompt, tags, settings) = (document.prompt(), document.tags(), document.settings());
    format!("{slots:?} {regions:?} {prompt:?} {tags:?} {settings:?}")
}

#[test]
fn a_project_returns_whole() {
    for document in [document(), Document::new()] {
        let (_folder, path) = saved(&document);
        let opened = project::open(&path).expect("opens");
        assert_eq!(contents(&opened.document), contents(&document));
        assert_eq!(opened.warnings, Vec::<String>::new());
    }
}

#[test]
fn a_project_may_be_larger_than_any_picture() {
    let (folder, path) = saved(&document());
    let bytes = std::fs::read(&path).expect("read");
    // A hole of more than 1 GiB before the list of entries, whose place is named at the very end.
    let hole = picture::MAX_FILE;
    let place = bytes.len() - 6;
    let list = u32::from_le_bytes(bytes[place..place + 4].try_into().expect("4 bytes"));
    let moved = u32::try_from(u64::from(list) + hole).expect("less than 4 GiB");
    let (entries, list) = bytes.split_at(list as usize);
    let mut list = list.to_vec();
    let end = list.len();
    list[end - 6..end - 2].copy_from_slice(&moved.to_le_bytes());
    let large = files::put(folder.path(), "large.ora", entries);
    let mut file = std::fs::File::options()
        .write(true)
        .open(&large)
        .expect("opens");
    file.seek(SeekFrom::Start(u64::from(moved)))
        .expect("a hole");
    file.write_all(&list).expect("written");
    let opened = project::open(&large).expect("opens");
    assert_eq!(contents(&opened.document), contents(&document()));
}

#[test]
fn the_file_keeps_the_openraster_baseline() {
    let (_folder, path) = saved(&document());
    let bytes = std::fs::read(&path).expect("read");
    // The type: first entry, stored, no extra field.
    assert_eq!(bytes[8..10], [0, 0]);
    assert_eq!(&bytes[30..54], b"mimetypeimage/openraster");
    assert!(project::is_project(&bytes));

    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    let mut read = |name: &str| {
        let mut content = Vec::new();
        let mut entry = archive.by_name(name).expect(name);
        entry.read_to_end(&mut content).expect(name);
        content
    };
    let xml = String::from_utf8(read("stack.xml")).expect("UTF-8");
    assert!(
        xml.contains("<image version=\"0.0.3\" w=\"300\" h=\"200\">"),
        "{xml}"
    );
    assert!(
        xml.contains("name=\"IMG1 Table &lt;&amp;&gt; &quot;chair&quot;\""),
        "{xml}"
    );
    let order: Vec<usize> = ["mask1", "mask0", "slot2", "slot1", "slot0"]
        .iter()
        .map(|name| {
            xml.find(&format!("src=\"data/{name}.png\""))
                .expect("a layer")
        })
        .collect();
    assert!(order.is_sorted(), "{xml}");
    assert_eq!(xml.matches("visibility=\"visible\"").count(), 1);

    let open = |bytes: &[u8]| {
        picture::decode(bytes, Path::new("x"))
            .expect("opens")
            .picture
    };
    assert_eq!(
        open(&read("mergedimage.png")),
        *document().slots()[0].picture
    );
    let thumbnail = open(&read("Thumbnails/thumbnail.png"));
    assert_eq!((thumbnail.width(), thumbnail.height()), (256, 170));
    let mask = open(&read("data/mask0.png"));
    assert_eq!(mask.pixel(35, 25), [255, 255, 255, 60]);
}

#[test]
fn a_project_of_another_program_gives_its_merged_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("krita.ora");
    let file = std::fs::File::create(&path).expect("created");
    let mut zip = zip::ZipWriter::new(file);
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [
        ("mimetype", b"image/openraster".to_vec()),
        ("mergedimage.png", files::png(7, 5)),
    ] {
        zip.start_file(name, stored).expect("started");
        std::io::Write::write_all(&mut zip, &bytes).expect("written");
    }
    zip.finish().expect("finished");
    let opened = project::open(&path).expect("opens");
    let canvas = opened.document.canvas().expect("a canvas");
    assert_eq!((canvas.picture.width(), canvas.picture.height()), (7, 5));
    assert_eq!(canvas.name, "krita");
    assert_eq!(
        opened.warnings,
        [format!(
            "the project was made by another program, its layers were merged: {}",
            path.display()
        )]
    );
}

#[test]
fn broken_projects_say_so() {
    let (folder, path) = saved(&document());
    let whole = std::fs::read(&path).expect("read");
    let refusal = |name: &str, bytes: &[u8]| {
        let path = files::put(folder.path(), name, bytes);
        project::open(&path).expect_err("refused").to_string()
    };
    assert!(refusal("a.ora", &files::png(3, 3)).starts_with("this is no OpenRaster project: "));
    assert!(refusal("b.ora", &whole[..whole.len() / 2]).starts_with("the project is damaged ("));
    let at = whole
        .windows(8)
        .position(|window| window == b"\x89PNG\r\n\x1a\n")
        .expect("a picture");
    let mut flipped = whole.clone();
    flipped[at + 60] ^= 0xff;
    assert!(refusal("c.ora", &flipped).contains("damaged"));
    // No cut may panic.
    for end in (0..whole.len()).step_by(997) {
        refusal("d.ora", &whole[..end]);
    }
}

/// A result on a canvas.
fn kept(number: u32, picture: Arc<Picture>, base: Option<Arc<Picture>>) -> Kept {
    let spec: JobSpec = serde_json::from_str(
        r#"{"version": 1, "model": "nano", "inputs": [], "regions": [], "prompt": "IMG2 on the table", "outputs": 4,
            "seed": 18446744073709551615, "steps": 2, "guidance_text": 1.0, "guidance_image": 1.0, "solver": "euler",
            "blend": {"feather": 0.06, "colour_match": true}}"#,
    )
    .expect("a job");
    Kept {
        number,
        picture,
        base,
        spec: Arc::new(spec),
        output: 3,
        joint: 0,
        seed: 2,
        map: None,
    }
}

#[test]
fn results_are_kept_with_their_document() {
    let document = document();
    let canvas = document.slots()[0].picture.clone();
    let gone = noise(60, 30, true);
    let results = [
        kept(2, noise(300, 200, false), Some(canvas)),
        kept(7, noise(60, 30, false), Some(gone.clone())),
        kept(8, noise(50, 40, false), Some(gone)),
        Kept {
            map: Some(MapKind::Depth),
            ..kept(9, noise(9, 9, false), None)
        },
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("work.ora");
    project::write(&path, &document, &results).expect("saved");
    let opened = project::open(&path).expect("opens");
    assert_eq!(contents(&opened.document), contents(&document));
    assert_eq!(opened.results, results);
    assert_eq!(opened.warnings, Vec::<String>::new());
    // Canvases are the document's own where they were, and one is one.
    let base = |at: usize| opened.results[at].base.as_ref().expect("a canvas");
    assert!(Arc::ptr_eq(base(0), &opened.document.slots()[0].picture));
    assert!(Arc::ptr_eq(base(1), base(2)));
    // Other programs have them as hidden layers.
    let mut archive =
        zip::ZipArchive::new(std::fs::File::open(&path).expect("read")).expect("opens");
    let mut xml = String::new();
    let mut stack = archive.by_name("stack.xml").expect("a stack");
    stack.read_to_string(&mut xml).expect("read");
    let layer = "<layer name=\"Result 7\" src=\"data/result1.png\"";
    assert!(xml.contains(layer), "{xml}");
    assert_eq!(xml.matches("visibility=\"visible\"").count(), 1);
}

#[test]
fn a_result_that_cannot_be_read_costs_nothing_else() {
    let document = document();
    let results = [
        kept(1, noise(30, 20, false), None),
        kept(2, noise(31, 20, false), None),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("work.ora");
    project::write(&path, &document, &results).expect("saved");
    let mut archive =
        zip::ZipArchive::new(std::fs::File::open(&path).expect("read")).expect("opens");
    let damaged = folder.path().join("damaged.ora");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&damaged).expect("created"));
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).expect("an entry");
        let options =
            zip::write::SimpleFileOptions::default().compression_method(entry.compression());
        let name = entry.name().expect("a name").into_owned();
        zip.start_file(&name, options).expect("started");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("read");
        if name == "data/result0.png" {
            bytes.truncate(60);
        }
        zip.write_all(&bytes).expect("written");
    }
    zip.finish().expect("finished");
    let opened = project::open(&damaged).expect("opens");
    assert_eq!(contents(&opened.document), contents(&document));
    assert_eq!(opened.results, results[1..]);
    let [warning] = &opened.warnings[..] else {
        panic!("{:?}", opened.warnings);
    };
    assert!(
        warning.starts_with("result 1 can't be read and goes when the project is saved: ")
            && warning.ends_with("damaged.ora"),
        "{warning}"
    );
}
