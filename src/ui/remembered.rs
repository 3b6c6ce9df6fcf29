//! The model that the artist chose, from session to session.

use std::path::{Path, PathBuf};

use crate::engine::message::ModelSource;

/// Where it is kept in the folder for data.
pub(super) fn file(data: &Path) -> PathBuf {
    data.join("model.json")
}

/// The model of the last session, if another than the one in the program was chosen.
pub(super) fn model(data: &Path) -> Option<ModelSource> {
    let text = std::fs::read_to_string(file(data)).ok()?;
    match serde_json::from_str(&text) {
        Ok(ModelSource::Embedded) => None,
        Ok(source) => Some(source),
        Err(error) => {
            tracing::debug!("{error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_note_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(model(folder.path()), None);
        std::fs::write(file(folder.path()), "{").unwrap();
        assert_eq!(model(folder.path()), None);
        std::fs::write(file(folder.path()), "\"embedded\"").unwrap();
        assert_eq!(model(folder.path()), None);
        std::fs::write(file(folder.path()), r#"{"folder": "klein"}"#).unwrap();
        assert_eq!(
            model(folder.path()),
            Some(ModelSource::Folder("klein".into()))
        );
    }
}
