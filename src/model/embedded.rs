//! The model inside the program.

use super::weights::Source;

/// What job specifications call it.
pub const EMBEDDED_NAME: &str = "unireal-nano";

/// The files of the model inside the program. The build script sets `embedded_model` if the package has them.
///
/// # Errors
/// If the program was built without them, a sentence that says what to do.
pub fn embedded() -> Result<Source, String> {
    #[cfg(embedded_model)]
    {
        macro_rules! file {
            ($name:literal) => {
                (
                    $name,
                    include_bytes!(concat!("../../assets/models/unireal-nano/", $name)).as_slice(),
                )
            };
        }
        static FILES: &[(&str, &[u8])] = &[
            file!("config.json"),
            file!("tokenizer.json"),
            file!("autoencoder.safetensors"),
            file!("text.safetensors"),
            file!("transformer.safetensors"),
            #[cfg(embedded_light)]
            file!("light.safetensors"),
        ];
        Ok(Source::Embedded(FILES))
    }
    #[cfg(not(embedded_model))]
    Err("this program was built without a model inside: open a model's folder".into())
}
