//! The names and shapes of all tensors that a configuration calls for: one list for the checks at load, the
//! parameter counts and random weights.

use super::config::{Config, DOWNSCALE, DecoderConfig, LightConfig, PATCH, TIME_FEATURES, TOKEN};

/// The id of the first ordinary token: after `<pad>`, `</s>`, `<unk>`, IMG1–IMG8 and RES1–RES4.
pub const FIRST_WORD: usize = 15;

/// How a random tensor is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Init {
    /// Normal with this standard deviation.
    Normal(f32),
    /// Around one.
    One,
}

/// A tensor that a model must have.
#[derive(Clone, Debug)]
pub(crate) struct TensorSpec {
    /// Its name in the file.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// How to draw it.
    pub init: Init,
}

struct Builder(Vec<TensorSpec>);

impl Builder {
    fn add(&mut self, name: String, shape: &[usize], init: Init) {
        self.0.push(TensorSpec {
            name,
            shape: shape.to_vec(),
            init,
        });
    }

    fn matrix(&mut self, name: &str, out: usize, inputs: usize) {
        let scale = (inputs as f32).powf(-0.5);
        self.add(
            format!("{name}.weight"),
            &[out, inputs],
            Init::Normal(scale),
        );
    }

    fn linear(&mut self, name: &str, out: usize, inputs: usize) {
        self.matrix(name, out, inputs);
        self.add(format!("{name}.bias"), &[out], Init::Normal(0.1));
    }

    fn conv(&mut self, name: &str, out: usize, inputs: usize, side: usize) {
        let scale = ((inputs * side * side) as f32).powf(-0.5);
        self.add(
            format!("{name}.weight"),
            &[out, inputs, side, side],
            Init::Normal(scale),
        );
        self.add(format!("{name}.bias"), &[out], Init::Normal(0.1));
    }

    fn blocks(&mut self, name: &str, count: usize, channels: usize) {
        for i in 0..count {
            self.conv(&format!("{name}.{i}.conv1"), channels, channels, 3);
            self.conv(&format!("{name}.{i}.conv2"), channels, channels, 3);
        }
    }
}

impl Builder {
    /// `prefix` ends with a dot, or is empty.
    fn decoder(&mut self, prefix: &str, d: &DecoderConfig, latent_channels: usize) {
        let name = |layer: &str| format!("{prefix}{layer}");
        self.conv(&name("stem"), d.c2, latent_channels, 3);
        self.blocks(&name("stage2"), d.n2, d.c2);
        self.conv(&name("up1"), 4 * d.c1, d.c2, 1);
        self.blocks(&name("stage1"), d.n1, d.c1);
        self.conv(&name("up2"), 4 * d.c0, d.c1, 1);
        self.blocks(&name("stage0"), d.n0, d.c0);
        self.conv(&name("head"), 12, d.c0, 3);
    }
}

/// The tensors of autoencoder.safetensors.
pub(crate) fn autoencoder(config: &Config) -> Vec<TensorSpec> {
    let a = &config.autoencoder;
    let (e, d) = (&a.encoder, &a.decoder);
    let mut b = Builder(Vec::new());
    b.conv("encoder.stem", e.c1, 48, 3);
    b.blocks("encoder.stage1", e.n1, e.c1);
    b.conv("encoder.down", e.c2, 4 * e.c1, 1);
    b.blocks("encoder.stage2", e.n2, e.c2);
    b.conv("encoder.head", a.latent_channels, e.c2, 3);
    b.decoder("decoder.", d, a.latent_channels);
    b.0
}

/// The tensors of a decoder alone.
pub(crate) fn decoder(config: &DecoderConfig, latent_channels: usize) -> Vec<TensorSpec> {
    let mut b = Builder(Vec::new());
    b.decoder("", config, latent_channels);
    b.0
}

/// The tensors of light.safetensors.
pub(crate) fn light(config: &LightConfig) -> Vec<TensorSpec> {
    let c = config;
    let mut b = Builder(Vec::new());
    b.conv("stem", c.c0, 4 * 8 + 2, 3);
    b.blocks("stage0", c.n0, c.c0);
    b.conv("down1", c.c1, 4 * c.c0, 1);
    b.blocks("stage1", c.n1, c.c1);
    b.conv("down2", c.c2, 4 * c.c1, 1);
    b.blocks("stage2", c.n2, c.c2);
    b.conv("down3", c.c3, 4 * c.c2, 1);
    b.conv("all", c.c3, c.c3, 1);
    b.blocks("stage3", c.n3, c.c3);
    b.conv("up2", 4 * c.c2, c.c3, 1);
    b.blocks("back2", c.n2, c.c2);
    b.conv("grid", 6, c.c2, 3);
    b.conv("up1", 4 * c.c1, c.c2, 1);
    b.blocks("back1", c.n1, c.c1);
    b.conv("up0", 4 * c.c0, c.c1, 1);
    b.blocks("back0", c.n0, c.c0);
    b.conv("head", 12, c.c0, 3);
    b.0
}

/// The tensors of text.safetensors, named as in Hugging Face's T5.
pub(crate) fn text(config: &Config) -> Vec<TensorSpec> {
    let t = &config.text;
    let inner = t.num_heads * t.d_kv;
    let mut b = Builder(Vec::new());
    b.add(
        "shared.weight".into(),
        &[t.vocab_size, t.d_model],
        Init::Normal(1.0),
    );
    for i in 0..t.num_layers {
        let attention = format!("encoder.block.{i}.layer.0");
        for name in ["q", "k", "v"] {
            b.matrix(
                &format!("{attention}.SelfAttention.{name}"),
                inner,
                t.d_model,
            );
        }
        b.matrix(&format!("{attention}.SelfAttention.o"), t.d_model, inner);
        if i == 0 {
            let name = format!("{attention}.SelfAttention.relative_attention_bias.weight");
            b.add(
                name,
                &[t.relative_attention_num_buckets, t.num_heads],
                Init::Normal(0.5),
            );
        }
        b.add(
            format!("{attention}.layer_norm.weight"),
            &[t.d_model],
            Init::One,
        );
        let dense = format!("encoder.block.{i}.layer.1");
        b.matrix(&format!("{dense}.DenseReluDense.wi_0"), t.d_ff, t.d_model);
        b.matrix(&format!("{dense}.DenseReluDense.wi_1"), t.d_ff, t.d_model);
        b.matrix(&format!("{dense}.DenseReluDense.wo"), t.d_model, t.d_ff);
        b.add(
            format!("{dense}.layer_norm.weight"),
            &[t.d_model],
            Init::One,
        );
    }
    b.add(
        "encoder.final_layer_norm.weight".into(),
        &[t.d_model],
        Init::One,
    );
    b.0
}

/// The tensors of transformer.safetensors.
pub(crate) fn transformer(config: &Config) -> Vec<TensorSpec> {
    let m = &config.transformer;
    let width = m.width;
    let patch = config.autoencoder.latent_channels * PATCH * PATCH;
    let mask = TOKEN * TOKEN;
    debug_assert_eq!(TOKEN, PATCH * DOWNSCALE);
    let mut b = Builder(Vec::new());
    b.linear("text_proj", width, config.text.d_model);
    let tables = [
        ("index_embedding", m.max_inputs + m.max_outputs),
        ("role_embedding", 3),
        ("control_embedding", 5),
        ("level_embedding", 4),
    ];
    for (name, rows) in tables {
        b.add(format!("{name}.weight"), &[rows, width], Init::Normal(0.3));
    }
    b.linear("patch_in", width, patch);
    b.linear("mask_in", width, mask);
    b.linear("fit_in", width, 1);
    b.add("fit_null".into(), &[width], Init::Normal(0.3));
    b.linear("noise_in", width, patch);
    b.linear("align.canvas", width, patch);
    for name in ["edge", "depth", "scribble", "placement"] {
        b.linear(&format!("align.{name}"), width, patch);
    }
    b.linear("align.mask", width, mask);
    b.linear("time_in.0", width, TIME_FEATURES);
    b.linear("time_in.2", width, width);
    // Random gates of a third keep a deep random model's activations of order one.
    b.add(
        "mod_out.weight".into(),
        &[m.layers, 6 * width],
        Init::Normal(0.3),
    );
    b.add(
        "mod_in.weight".into(),
        &[m.layers, 6 * width],
        Init::Normal(0.3),
    );
    b.linear("mod_time", 6 * width, width);
    for l in 0..m.layers {
        let block = format!("blocks.{l}");
        b.matrix(&format!("{block}.qkv"), 3 * width, width);
        b.add(format!("{block}.q_norm.weight"), &[m.head_dim()], Init::One);
        b.add(format!("{block}.k_norm.weight"), &[m.head_dim()], Init::One);
        b.matrix(&format!("{block}.proj"), width, width);
        b.matrix(&format!("{block}.gate"), m.mlp, width);
        b.matrix(&format!("{block}.up"), m.mlp, width);
        b.matrix(&format!("{block}.down"), width, m.mlp);
    }
    b.linear("final_mod", 2 * width, width);
    b.linear("out", patch, width);
    b.0
}
