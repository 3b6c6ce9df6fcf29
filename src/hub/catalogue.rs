//! The models that Inlay knows by name. Sizes of files and checksums are not here: the hub tells them when a
//! download is asked for.

use super::message::SMALL_DECODER;

/// What a model may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Licence {
    /// Its name.
    pub name: &'static str,
    /// Whether work for money is allowed.
    pub commercial: bool,
}

/// Apache-2.0.
pub const APACHE: Licence = Licence {
    name: "Apache-2.0",
    commercial: true,
};

/// The licence of the larger FLUX.2 models.
pub const NON_COMMERCIAL: Licence = Licence {
    name: "FLUX Non-Commercial License",
    commercial: false,
};

/// The licence of the model inside the program.
pub const OWN: Licence = Licence {
    name: "MIT or Apache-2.0",
    commercial: true,
};

/// A model on the hub.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it is called here, and its folder.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Its repository on the hub.
    pub repo: &'static str,
    /// The files to get, or with `/` at their end folders; a model's usual folders if empty.
    pub files: &'static [&'static str],
    /// Its licence.
    pub licence: Licence,
    /// Whether the hub wants the licence accepted first, and a token.
    pub gated: bool,
    /// About how many bytes it has, for those who have to decide before anything is asked.
    pub about: Option<u64>,
    /// Parameters of its transformer and of its text encoder up to the last layer that is needed, and the transformer's
    /// width: what memory depends on.
    pub size: Option<([u64; 2], u64)>,
}

/// FLUX.2 [klein] 4B, and Qwen3-4B up to its 27th layer.
const FOUR: Option<([u64; 2], u64)> = Some(([3_880_000_000, 3_110_000_000], 3072));

/// The name under which the tokenizer alone can be had: ComfyUI keeps none beside its files.
pub const TOKENIZER: &str = "qwen3-tokenizer";
/// The name of the autoencoder alone, for a transformer alone.
pub const VAE: &str = "flux2-vae";
/// The name of klein 4B's text encoder alone.
pub const TEXT_4B: &str = "qwen3-4b-text-encoder";
/// The name of klein 9B's text encoder alone.
pub const TEXT_8B: &str = "qwen3-8b-text-encoder";

/// All models on the hub that are known by name.
pub const KNOWN: [Known; 9] = [
    Known {
        name: "FLUX.2-klein-4B",
        title: "FLUX.2 [klein] 4B",
        repo: "black-forest-labs/FLUX.2-klein-4B",
        files: &[],
        licence: APACHE,
        gated: false,
        // 7.75 GB of the transformer, 8 GB of the text encoder and the autoencoder.
        about: Some(16_000_000_000),
        size: FOUR,
    },
    Known {
        name: "FLUX.2-klein-base-4B",
        title: "FLUX.2 [klein] base 4B",
        repo: "black-forest-labs/FLUX.2-klein-base-4B",
        files: &[],
        licence: APACHE,
        gated: false,
        about: Some(16_000_000_000),
        size: FOUR,
    },
    Known {
        name: "FLUX.2-klein-9B",
        title: "FLUX.2 [klein] 9B",
        repo: "black-forest-labs/FLUX.2-klein-9B",
        files: &[],
        licence: NON_COMMERCIAL,
        gated: true,
        about: None,
        size: None,
    },
    Known {
        name: "FLUX.2-klein-base-9B",
        title: "FLUX.2 [klein] base 9B",
        repo: "black-forest-labs/FLUX.2-klein-base-9B",
        files: &[],
        licence: NON_COMMERCIAL,
        gated: true,
        about: None,
        size: None,
    },
    Known {
        name: SMALL_DECODER,
        title: "Smaller decoder for FLUX.2: faster, less memory",
        repo: "black-forest-labs/FLUX.2-small-decoder",
        files: &["diffusion_pytorch_model.safetensors"],
        licence: APACHE,
        gated: false,
        about: None,
        size: None,
    },
    Known {
        name: TOKENIZER,
        title: "Qwen3 tokenizer, for transformers alone",
        repo: "black-forest-labs/FLUX.2-klein-4B",
        files: &["tokenizer/tokenizer.json"],
        licence: APACHE,
        gated: false,
        about: None,
        size: None,
    },
    Known {
        name: VAE,
        title: "FLUX.2 autoencoder (VAE), for transformers alone",
        repo: "black-forest-labs/FLUX.2-klein-4B",
        files: &["vae/"],
        licence: APACHE,
        gated: false,
        about: None,
        size: None,
    },
    Known {
        name: TEXT_4B,
        title: "Text encoder of klein 4B, for transformers alone",
        repo: "black-forest-labs/FLUX.2-klein-4B",
        files: &["text_encoder/"],
        licence: APACHE,
        gated: false,
        about: Some(8_000_000_000),
        size: None,
    },
    Known {
        name: TEXT_8B,
        title: "Text encoder of klein 9B, for transformers alone",
        repo: "black-forest-labs/FLUX.2-klein-9B",
        files: &["text_encoder/"],
        licence: NON_COMMERCIAL,
        gated: true,
        about: Some(16_000_000_000),
        size: None,
    },
];

/// Whether a licence's name says that work for money is not allowed.
pub fn is_non_commercial(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = || name.split(|c: char| !c.is_alphanumeric());
    let joined: String = words().collect();
    joined.contains("noncommercial") || words().any(|word| word == "nc")
}

/// A known model by its name or repository, in any case of letters.
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name))
        .or_else(|| {
            let whole = |known: &&Known| known.files.is_empty();
            let mut models = KNOWN.iter().filter(whole);
            models.find(|known| known.repo.eq_ignore_ascii_case(name))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_name_and_repository() {
        assert_eq!(known("flux.2-klein-4b").unwrap().licence, APACHE);
        let by_repo = known("black-forest-labs/FLUX.2-klein-4B").unwrap();
        assert_eq!(by_repo.name, "FLUX.2-klein-4B");
        assert!(known("nothing").is_none());
        for known in KNOWN {
            // What must be accepted first is gated, and the other way round.
            assert_eq!(known.gated, !known.licence.commercial, "{}", known.name);
            assert!(known.repo.split_once('/').is_some());
        }
    }

    #[test]
    fn licences_say_by_their_names_that_they_are_not_for_work() {
        for name in [
            "flux-non-commercial-license",
            "FLUX Non-Commercial License",
            "fair-noncommercial-research-license",
            "cc-by-nc-4.0",
            "CC BY-NC-SA 4.0",
        ] {
            assert!(is_non_commercial(name), "{name}");
        }
        for name in ["apache-2.0", "MIT", "cc-by-4.0", "openrail++", "ncsa", ""] {
            assert!(!is_non_commercial(name), "{name}");
        }
    }
}
