//! What can go wrong while a model is loaded or computed.

/// Why a model could not be loaded or could not compute.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A tensor operation failed.
    #[error("the model could not compute this: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The request does not fit the model.
    #[error("{0}")]
    Input(String),
    /// A file of the model is not there or cannot be read.
    #[error(
        "the model file {file} cannot be read ({reason}): choose a folder with a complete model"
    )]
    File {
        /// The file's name inside the model folder.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// A file of the model is not what its name says.
    #[error("the model file {file} is damaged ({reason}): copy or download the model again")]
    Damaged {
        /// The file's name inside the model folder.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is of a kind that cannot be loaded; the sentence says what to get instead.
    #[error("{0}")]
    Format(String),
    /// config.json describes no model that this program knows.
    #[error("config.json of the model is not valid: {0}")]
    Config(String),
    /// A tensor that the configuration calls for is missing.
    #[error(
        "{file} lacks the tensor {tensor}, expected with shape {expected:?}: the weights do not belong to this config.json"
    )]
    MissingTensor {
        /// The file's name.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The shape that the configuration calls for.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the configuration calls for.
    #[error(
        "the tensor {tensor} in {file} has shape {found:?}, expected {expected:?}: the weights do not belong to this config.json"
    )]
    TensorShape {
        /// The file's name.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The shape that the configuration calls for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has an element type that weights may not have.
    #[error(
        "the tensor {tensor} in {file} has type {found}, expected F32, F16 or BF16: export the weights again"
    )]
    TensorType {
        /// The file's name.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The type in the file.
        found: String,
    },
    /// A tensor holds a value that no trained weight can have.
    #[error(
        "the tensor {tensor} in {file} holds values that are not finite: train or download the model again"
    )]
    TensorValue {
        /// The file's name.
        file: String,
        /// The tensor's name.
        tensor: String,
    },
    /// A file holds tensors that the configuration does not know.
    #[error("{file} holds the tensor {tensor}{}, which config.json does not call for: the weights do not belong to this config.json", more(*.others))]
    UnexpectedTensor {
        /// The file's name.
        file: String,
        /// The first such tensor's name.
        tensor: String,
        /// How many more there are.
        others: usize,
    },
    /// The device asked for cannot be used.
    #[error("{0}")]
    Device(String),
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        n => format!(" and {n} more"),
    }
}

/// The result of loading or computing.
pub type Result<T> = std::result::Result<T, ModelError>;

/// Stops with [`ModelError::Cancelled`] when the caller has asked to.
pub(crate) fn check_cancel(cancel: &dyn Fn() -> bool) -> Result<()> {
    if cancel() {
        return Err(ModelError::Cancelled);
    }
    Ok(())
}

/// The system's message without "(os error 5)".
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
