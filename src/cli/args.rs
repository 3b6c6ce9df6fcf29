//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::error::CliError;
use crate::data::command::DataCommand;
use crate::doc::job::BlendSpec;
use crate::eval::collages::CollagesArgs;
use crate::eval::command::EvalArgs;
use crate::io::console;
use crate::model::{DeviceKind, FloatType};
use crate::world::command::{WorldBenchArgs, WorldCommand};

/// Put objects into pictures: an editor, and the same jobs without a window.
#[derive(Debug, Parser)]
#[command(name = "inlay", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Pictures to open in the editor
    #[arg(value_name = "FILES")]
    pub files: Vec<PathBuf>,
    /// What to do without a window
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make pictures from a job given by options
    Generate(Box<GenerateArgs>),
    /// Give the mask of an object named in words, the depth or the edges of a picture
    Perceive(PerceiveArgs),
    /// Print the recipe in a result, as JSON
    Inspect(InspectArgs),
    /// Make a result again from the recipe in its file
    Rerun(RerunArgs),
    /// Make a mask as coarse as a level asks
    Mask(MaskArgs),
    /// Cut an object out of a photograph
    Cut(CutArgs),
    /// Measure how fast a model is on this machine
    Bench(BenchArgs),
    /// Say which models there are; get, check and remove them
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Make training samples from an asset pack
    #[command(subcommand)]
    Data(Data),
    /// Look at the scenes that samples are made of
    #[command(subcommand)]
    World(WorldCommand),
    /// Compare a model with pasting and seamless pasting
    Eval(Box<EvalArgs>),
}

/// Make training samples from an asset pack.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// What needs no pipeline.
    #[command(flatten)]
    Made(DataCommand),
    /// Write the collages that the program would lay for a stream's samples, beside the true pictures: what a model
    /// learns light from.
    Collages(CollagesArgs),
}

/// Arguments of `inlay generate`.
#[derive(Debug, Default, Args)]
pub struct GenerateArgs {
    /// The picture to edit
    #[arg(long, value_name = "FILE")]
    pub canvas: Option<PathBuf>,
    /// An object to place; repeat for several
    #[arg(long = "asset", value_name = "FILE")]
    pub assets: Vec<PathBuf>,
    /// Leave photographs of objects as they are, rather than cut out what surely stands out in them
    #[arg(long)]
    pub whole_assets: bool,
    /// Where to work on the canvas, white on black; the first mask belongs to the first asset, and so on, masks
    /// beyond the assets edit by words
    #[arg(long = "mask", value_name = "FILE")]
    pub masks: Vec<PathBuf>,
    /// How strictly the masks are meant: exact, outline, blob or box; once for all masks or once for each
    #[arg(long = "mask-level", value_name = "LEVEL")]
    pub levels: Vec<String>,
    /// What to make; IMG1, IMG2, … name the pictures in the order canvas, assets, controls, masks
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub prompt: String,
    /// A picture that steers: depth=FILE, edge=FILE, scribble=FILE or placement=FILE; repeat for several
    #[arg(long = "control", value_name = "KIND=FILE")]
    pub controls: Vec<String>,
    /// What a picture is for, where it is not what its option says: IMG2=asset, IMG1=canvas, IMG3=depth, …
    #[arg(long = "role", value_name = "IMGn=ROLE")]
    pub roles: Vec<String>,
    /// Context tags: "auto" derives them, or "tag; tag"
    #[arg(long, value_name = "TAGS", default_value = "auto")]
    pub context: String,
    /// How many outputs, each from its own noise
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub outputs: u32,
    /// Pictures in each output, which the prompt calls RES1, RES2, …: "also give its mask as RES2"
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub joint: u32,
    /// Give all outputs the same light: else those after the first differ in how bright objects are and how strong their
    /// shadow, which no picture tells for sure
    #[arg(long)]
    pub no_vary: bool,
    /// Seed of the first output; the next ones count up
    #[arg(long, value_name = "S", default_value_t = 1, allow_negative_numbers = true, value_parser = console::whole)]
    pub seed: u64,
    /// Denoising steps; the model's own number if left out
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub steps: Option<u32>,
    /// Guidance by the text; 1 is none, the model's own if left out
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    pub guidance_text: Option<f32>,
    /// Guidance by the reference pictures; 1 is none
    #[arg(long, value_name = "G", default_value_t = super::plan::GUIDANCE, allow_negative_numbers = true)]
    pub guidance_image: f32,
    /// How masked regions come about: edit (the whole canvas is drawn anew), insert (filled from noise) or context
    /// (the same with the surroundings in view); chosen by the job if left out. For FLUX.2
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// How much of what is there may change, 0.05 to 1; chosen by the job if left out
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub strength: Option<f32>,
    /// Size of a new picture, for jobs without a canvas
    #[arg(long, value_name = "WxH")]
    pub size: Option<String>,
    /// How results are joined to the canvas
    #[command(flatten)]
    pub join: JoinArgs,
    /// Where and how to run
    #[command(flatten)]
    pub run: RunArgs,
}

/// How results are joined to the canvas.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct JoinArgs {
    /// Width of the soft edge around what is masked, as a share of its size
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub feather: Option<f32>,
    /// How far that edge is moved outwards, inwards if negative, in the same unit
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub grow: Option<f32>,
    /// How far objects take on the light that was found, 0 to 1; at 0 they keep their own colours
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub relight: Option<f32>,
    /// How bright objects are, 0.25 to 3; at 1 as found
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    pub brightness: Option<f32>,
    /// How strongly the light that was found changes the ground (shadow, light, reflection), 0 to 3; at 1 as found
    #[arg(long, value_name = "STRENGTH", allow_negative_numbers = true)]
    pub shadow: Option<f32>,
    /// How much of the shadow and the reflection falls on the picture beyond the region, 0 to 1; at 0 nothing there changes
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub cast: Option<f32>,
    /// Leave the result's colours as they are, without matching them to the canvas
    #[arg(long)]
    pub no_colour_match: bool,
    /// Leave the result as the model paints it, without finer detail from the canvas and the objects
    #[arg(long)]
    pub no_detail: bool,
}

impl JoinArgs {
    /// As chosen, else as usual.
    pub fn blend(&self) -> BlendSpec {
        let usual = BlendSpec::default();
        BlendSpec {
            feather: self.feather.unwrap_or(usual.feather),
            grow: self.grow.unwrap_or(usual.grow),
            relight: self.relight.unwrap_or(usual.relight),
            brightness: self.brightness.unwrap_or(usual.brightness),
            shadow: self.shadow.unwrap_or(usual.shadow),
            cast: self.cast.unwrap_or(usual.cast),
            colour_match: !self.no_colour_match,
            keep_detail: !self.no_detail,
        }
    }
}

/// Arguments of `inlay perceive`.
#[derive(Debug, Args)]
pub struct PerceiveArgs {
    /// What to give: segment (the mask of an object), depth (near is bright) or edge; a mask goes back in with
    /// generate --mask, the others with --control depth=FILE and --control edge=FILE
    #[arg(long, value_name = "TASK")]
    pub task: String,
    /// The object to segment, such as "the red chair"
    #[arg(long, value_name = "TEXT")]
    pub words: Option<String>,
    /// The picture
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Seed of the noise
    #[arg(long, value_name = "S", default_value_t = 1, allow_negative_numbers = true, value_parser = console::whole)]
    pub seed: u64,
    /// Denoising steps; the model's own number if left out
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub steps: Option<u32>,
    /// Guidance by the text; 1 is none, the model's own if left out
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    pub guidance_text: Option<f32>,
    /// Where and how to run
    #[command(flatten)]
    pub run: RunArgs,
}

/// Where a job runs and where its results go.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// A name from `inlay models list`, a model folder, or a FLUX.2 [klein] transformer's file; the model in the
    /// program if left out
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub model: Option<PathBuf>,
    /// Another autoencoder for a FLUX.2 model, such as FLUX.2-small-decoder
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub vae: Option<PathBuf>,
    /// What to compute on: auto, cpu, cuda or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// What a FLUX.2 model computes in: auto, f32, f16 or bf16. Auto is f32 on the processor, elsewhere bf16 where
    /// the card can, else f16
    #[arg(long, value_name = "TYPE", default_value = "auto")]
    pub dtype: String,
    /// A PNG (or JPEG) file, or a folder for results named by document, time and seed; several outputs to one
    /// file are numbered FILE-1.png, FILE-2.png, …
    #[arg(long, value_name = "FILE|DIR")]
    pub out: PathBuf,
    /// Write what the model sees at every step into this folder; files that are there stay
    #[arg(long, value_name = "DIR")]
    pub previews: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// The device.
    ///
    /// # Errors
    /// A usage error that names the devices.
    pub fn device(&self) -> Result<DeviceKind, CliError> {
        self.device.parse().map_err(CliError::usage)
    }

    /// The type to compute in.
    ///
    /// # Errors
    /// A usage error that names the types.
    pub fn dtype(&self) -> Result<FloatType, CliError> {
        self.dtype.parse().map_err(CliError::usage)
    }
}

/// Arguments of `inlay inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A PNG that Inlay made
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `inlay rerun`.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// A PNG that Inlay made
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Change the recipe, for example seed=2; repeat for several
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where an input picture is now, or another to take its place; repeat for several
    #[arg(long = "input", value_name = "IMGn=FILE")]
    pub inputs: Vec<String>,
    /// Where and how to run
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `inlay mask`.
#[derive(Debug, Args)]
pub struct MaskArgs {
    /// An exact mask, white on black, or a picture whose alpha is the mask
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// The level: exact, outline, blob or box
    #[arg(long, value_name = "LEVEL")]
    pub level: String,
    /// Write the region that the model may change for this mask, with room for shadow, instead of the mask
    #[arg(long)]
    pub region: bool,
    /// The PNG to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `inlay cut`.
#[derive(Debug, Args)]
pub struct CutArgs {
    /// The photograph
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
    /// A rough mask over the object, white on black, of the same size; without one the object is what stands out in the
    /// middle
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// The PNG to write, cropped to the object and transparent around it
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What else `inlay bench` can measure.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure how fast scenes are rendered
    World(WorldBenchArgs),
    /// Measure a step of FLUX.2 [klein] 4B with random weights: no file is needed
    Flux2(Flux2BenchArgs),
}

/// Arguments of `inlay bench flux2`.
#[derive(Clone, Debug, Args)]
pub struct Flux2BenchArgs {
    /// What to compute on: auto, cpu, cuda or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// The type to compute in: auto, f32, f16 or bf16
    #[arg(long, value_name = "TYPE", default_value = "auto")]
    pub dtype: String,
    /// Width and height of the pictures in pixels, a multiple of 16
    #[arg(long, value_name = "PIXELS", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=2048))]
    pub size: u32,
    /// Reference pictures of that size
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=4))]
    pub references: u32,
    /// Outputs that are made at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8), allow_negative_numbers = true)]
    pub outputs: u32,
    /// Double and single blocks, for machines on which 5,20 (7.8 GB in half precision) are too many
    #[arg(long, value_name = "D,S", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=40))]
    pub blocks: Option<Vec<u8>>,
    /// How often a step is taken; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: u32,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inlay bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    /// What to measure instead of a model
    #[command(subcommand)]
    pub command: Option<BenchCommand>,
    /// A model folder; the model in the program if left out
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// What to compute on: auto, cpu, cuda or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// Numbers of input pictures to measure, such as 1,2,4,8
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=8))]
    pub inputs: Vec<u8>,
    /// How often each figure is taken; the median counts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: Option<u32>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be done with models as files.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models that are here, and those that can be downloaded; asks nobody
    List(ListArgs),
    /// Use files that are here already, where they are
    Add(AddArgs),
    /// Download a model from the hub, or the rest of one
    Download(DownloadArgs),
    /// Check the files of a model against their checksums
    Verify(VerifyArgs),
    /// Forget a model, and delete what Inlay downloaded of it
    Remove(RemoveArgs),
}

/// Arguments of `inlay models list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inlay models add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// A model folder, or a FLUX.2 [klein] transformer's file
    #[arg(value_name = "DIR|FILE", required_unless_present = "find")]
    pub path: Option<PathBuf>,
    /// What to call it
    #[arg(long, value_name = "NAME", conflicts_with = "find")]
    pub name: Option<String>,
    /// Look for models in the folders of ComfyUI, InvokeAI and the hub's cache, and add those that can be used
    #[arg(long, conflicts_with = "path")]
    pub find: bool,
    /// A folder of one of these programs, if it is not where it usually is; repeat for several
    #[arg(long = "in", value_name = "DIR", requires = "find")]
    pub folders: Vec<PathBuf>,
    /// Print what was found as JSON
    #[arg(long, requires = "find")]
    pub json: bool,
}

/// Arguments of `inlay models download`.
#[derive(Debug, Args)]
pub struct DownloadArgs {
    /// A name from `inlay models list`, or a repository of the hub
    #[arg(value_name = "NAME|OWNER/REPOSITORY")]
    pub model: String,
    /// A file of the repository, instead of a whole diffusers model; repeat for several
    #[arg(long = "file", value_name = "PATH")]
    pub files: Vec<String>,
    /// What to call it
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A file with an access token of the hub, for models whose licence has to be accepted there; - reads it from
    /// standard input. It is not stored
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// You have read the licence of a model for non-commercial use, and accept it
    #[arg(long)]
    pub accept_licence: bool,
    /// Download nothing, as with HF_HUB_OFFLINE=1
    #[arg(long)]
    pub offline: bool,
}

/// Arguments of `inlay models verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A name from `inlay models list`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inlay models remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// A name from `inlay models list`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}
