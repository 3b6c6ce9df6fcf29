"""Writes tests/golden/flux2: a tiny FLUX.2 [klein] with random weights, in every file layout, and what diffusers makes of it.

    pip install torch diffusers==0.42.1 transformers==5.23.0 gguf
    python flux2_goldens.py ../tests/golden/flux2

Nothing of anyone's weights is in it: all values come from a seed.
"""

import json
import math
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinInpaintPipeline
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel
from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

PROMPT = "The red chair, naïve 漢."
TAPS = (1, 2, 3)
LENGTH = 80
WIDTH, HEIGHT = 80, 64
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n"
            "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}")


def byte_letters():
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    letters = {b: chr(b) for b in plain}
    for i, b in enumerate(b for b in range(256) if b not in letters):
        letters[b] = chr(256 + i)
    return [letters[b] for b in range(256)]


def build_tokenizer():
    vocab = {letter: i for i, letter in enumerate(byte_letters())}
    merges = [("i", "m"), ("a", "g"), ("ag", "e"), ("im", "age"), ("Ġ", "image"), ("i", "n"), ("Ġ", "c"), ("t", "h"),
              ("th", "e"), ("Ġ", "the"), ("r", "e"), ("re", "d")]
    for a, b in merges:
        vocab.setdefault(a + b, len(vocab))
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tok.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    tok.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens(SPECIAL)
    tok.add_tokens([AddedToken("<think>", special=False), AddedToken("</think>", special=False)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tok, pad_token=SPECIAL[0], eos_token=SPECIAL[2], model_max_length=512)
    fast.chat_template = TEMPLATE
    return fast


def spread(module, rng):
    """Random values everywhere, so that no zero hides a mistake; all of them exact in bfloat16."""
    for name, p in module.named_parameters():
        noise = torch.randn(p.shape, generator=rng)
        if name.endswith("bias"):
            value = 0.05 * noise
        elif p.dim() == 1:
            value = 1 + 0.1 * noise
        else:
            value = noise / math.sqrt(p[0].numel())
        p.copy_(value.bfloat16().float())


def build_vae(rng, decoder=None):
    vae = AutoencoderKLFlux2(block_out_channels=(4, 8, 8, 8), decoder_block_out_channels=decoder, layers_per_block=2,
                             latent_channels=4, norm_num_groups=2, sample_size=64).eval()
    spread(vae, rng)
    vae.bn.running_mean.copy_((0.1 * torch.randn(16, generator=rng)).bfloat16())
    vae.bn.running_var.copy_((0.5 + torch.rand(16, generator=rng)).bfloat16())
    return vae


# --- single-file layouts ---------------------------------------------------------------------------------------

TOP = {
    "x_embedder": "img_in", "context_embedder": "txt_in", "proj_out": "final_layer.linear",
    "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
    "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
    "single_stream_modulation.linear": "single_stream_modulation.lin",
}
DOUBLE = {
    "attn.norm_q": "img_attn.norm.query_norm", "attn.norm_k": "img_attn.norm.key_norm", "attn.to_out.0": "img_attn.proj",
    "attn.norm_added_q": "txt_attn.norm.query_norm", "attn.norm_added_k": "txt_attn.norm.key_norm",
    "attn.to_add_out": "txt_attn.proj", "ff.linear_in": "img_mlp.0", "ff.linear_out": "img_mlp.2",
    "ff_context.linear_in": "txt_mlp.0", "ff_context.linear_out": "txt_mlp.2",
}
SINGLE = {"attn.to_qkv_mlp_proj": "linear1", "attn.to_out": "linear2", "attn.norm_q": "norm.query_norm", "attn.norm_k": "norm.key_norm"}


def single_transformer(state, doubles, singles):
    def named(name):
        return name + (".scale" if name.endswith("_norm") else ".weight")

    out = {b + ".weight": state[a + ".weight"] for a, b in TOP.items()}
    scale, shift = state["norm_out.linear.weight"].chunk(2)
    out["final_layer.adaLN_modulation.1.weight"] = torch.cat([shift, scale])
    for i in range(doubles):
        here, there = f"transformer_blocks.{i}.", f"double_blocks.{i}."
        for stream, parts in {"img": ["to_q", "to_k", "to_v"], "txt": ["add_q_proj", "add_k_proj", "add_v_proj"]}.items():
            out[f"{there}{stream}_attn.qkv.weight"] = torch.cat([state[f"{here}attn.{p}.weight"] for p in parts])
        out |= {named(there + b): state[here + a + ".weight"] for a, b in DOUBLE.items()}
    for i in range(singles):
        here, there = f"single_transformer_blocks.{i}.", f"single_blocks.{i}."
        out |= {named(there + b): state[here + a + ".weight"] for a, b in SINGLE.items()}
    out = {k: v.clone().contiguous() for k, v in out.items()}
    back = convert_flux2_transformer_checkpoint_to_diffusers({k: v.clone() for k, v in out.items()})
    assert set(back) == set(state) and all(torch.equal(back[k], state[k]) for k in state)
    return out


def single_vae(state):
    pairs = [("conv_norm_out", "norm_out"), ("conv_shortcut", "nin_shortcut"), ("mid_block.resnets.0", "mid.block_1"),
             ("mid_block.resnets.1", "mid.block_2")]
    out = {}
    for name, value in state.items():
        new = {"quant_": "encoder.", "post_q": "decoder."}.get(name[:6], "") + name
        for a, b in pairs:
            new = new.replace(a, b)
        if "mid_block.attentions.0" in new:
            new = new.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm").replace("to_out.0", "proj_out")
            for c in "qkv":
                new = new.replace(f"to_{c}", c)
            if value.dim() == 2:
                value = value[:, :, None, None]
        for level in range(4):
            down, up = f"down_blocks.{level}.", f"up_blocks.{level}."
            new = new.replace(down + "resnets", f"down.{level}.block").replace(down + "downsamplers.0", f"down.{level}.downsample")
            new = new.replace(up + "resnets", f"up.{3 - level}.block").replace(up + "upsamplers.0", f"up.{3 - level}.upsample")
        out[new] = value.clone().contiguous()
    return out


def half(state):
    return {k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items()}


def is_matrix(name, value):
    return value.dim() == 2 and "_blocks." in name


def to_fp8(single):
    """Scaled fp8 of the blocks' matrices, the rest in bfloat16; and the values that it stands for."""
    stored, real = {}, {}
    for i, (name, value) in enumerate(single.items()):
        if is_matrix(name, value):
            # One scale for a matrix or one for a row: both occur.
            top = value.abs().max() if i % 2 else value.abs().amax(1, keepdim=True)
            scale = top / 448
            stored[name] = (value / scale).to(torch.float8_e4m3fn)
            stored[name.removesuffix("weight") + "weight_scale"] = scale
            stored[name.removesuffix("weight") + "input_scale"] = torch.tensor(1.0)
            real[name] = stored[name].float() * scale
        else:
            stored[name], real[name] = value.bfloat16(), value
    return stored, real


def to_gguf(single, path, kind):
    writer, real = gguf.GGUFWriter(path, "flux"), {}
    for name, value in single.items():
        if is_matrix(name, value):
            data = gguf.quants.quantize(value.numpy(), kind)
            writer.add_tensor(name, data, raw_dtype=kind)
            real[name] = torch.from_numpy(gguf.quants.dequantize(data, kind).copy())
        else:
            writer.add_tensor(name, value.numpy())
            real[name] = value
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return real


# --- goldens ---------------------------------------------------------------------------------------------------

def picture(width, height, seed):
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([128 + 90 * np.sin(x / 7), 128 + 90 * np.cos(y / 9), (3 * x + 5 * y) % 256], -1)
    noisy = waves + np.random.RandomState(seed).randint(-25, 25, waves.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def main(out: Path):
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(11)
    g, scalars = {}, {}

    def put(name, value):
        assert name not in g, name
        g[name] = (torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value).clone().contiguous()

    tok = build_tokenizer()
    text = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(
        vocab_size=len(tok), hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=512, rope_theta=1e6, rms_norm_eps=1e-6,
        tie_word_embeddings=True, pad_token_id=tok.pad_token_id)).eval()
    net = Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=96, timestep_guidance_channels=64, mlp_ratio=3.0, axes_dims_rope=(4, 4, 4, 4), rope_theta=2000,
        eps=1e-6, guidance_embeds=False).eval()
    spread(text, rng)
    spread(net, rng)
    vae, small = build_vae(rng), build_vae(rng, decoder=(4, 4, 8, 8))
    schedule = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15,
        base_image_seq_len=256, max_image_seq_len=4096, time_shift_type="exponential")
    parts = dict(scheduler=schedule, vae=vae, text_encoder=text, tokenizer=tok, transformer=net)
    pipe = Flux2KleinPipeline(**parts, is_distilled=True)

    # The model in its layouts.
    state = net.state_dict()
    single = single_transformer(state, 2, 2)
    pipe.save_pretrained(out / "model")
    for part, module in {"transformer": net, "vae": vae}.items():
        save_file(half(module.state_dict()), out / "model" / part / "diffusion_pytorch_model.safetensors")
    (out / "model/text_encoder/model.safetensors").unlink()
    short = transformers.Qwen3ForCausalLM(text.config).bfloat16()
    short.load_state_dict(text.state_dict())
    # In two files with an index, as the real one is.
    short.save_pretrained(out / "model/text_encoder", max_shard_size="60KB")
    (out / "single").mkdir(exist_ok=True)
    save_file(half(single), out / "single/transformer.safetensors")
    save_file(half(single_vae(vae.state_dict())), out / "single/vae.safetensors")
    save_file(half(small.state_dict()), out / "single/small_decoder.safetensors")
    fp8, fp8_real = to_fp8(single)
    save_file(fp8, out / "single/transformer_fp8.safetensors")
    q8_real = to_gguf(single, out / "single/transformer_q8_0.gguf", gguf.GGMLQuantizationType.Q8_0)

    # Words.
    def hidden(prompt):
        chat = tok.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True,
                                       enable_thinking=False)
        ids = tok(chat, return_tensors="pt", padding="max_length", truncation=True, max_length=LENGTH)
        return chat, ids, text(**ids, output_hidden_states=True, use_cache=False).hidden_states

    long = PROMPT * 4
    for name, prompt in {"prompt": PROMPT, "empty": "", "long": long}.items():
        chat, ids, states = hidden(prompt)
        scalars[f"{name}.text"], scalars[f"{name}.chat"] = prompt, chat
        put(f"{name}.ids", ids["input_ids"][0].int())
        put(f"{name}.mask", ids["attention_mask"][0].int())
        embeds, _ = pipe.encode_prompt(prompt, device="cpu", max_sequence_length=LENGTH, text_encoder_out_layers=TAPS)
        put(f"{name}.embeds", embeds)
        if name == "prompt":
            for k in range(4):
                put(f"prompt.hidden.{k}", states[k])
    assert int(g["long.mask"].sum()) == LENGTH and int(g["prompt.mask"].sum()) < LENGTH

    # Pictures.
    canvas, asset = picture(WIDTH, HEIGHT, 1), picture(70, 67, 2)
    inputs = []
    for name, p in {"canvas": canvas, "asset": asset}.items():
        put(f"{name}.rgb", np.asarray(p))
        pixels = pipe.image_processor.preprocess(p, height=p.height // 16 * 16, width=p.width // 16 * 16, resize_mode="crop")
        inputs.append(pixels)
        put(f"{name}.pixels", pixels)
        put(f"{name}.mean", vae.encode(pixels).latent_dist.mode())
        put(f"{name}.latent", pipe._encode_vae_image(pixels, None))
    z = torch.randn((1, 4, 8, 10), generator=rng)
    put("vae.z", z)
    put("vae.decoded", vae.decode(z).sample)
    put("small.decoded", small.decode(z).sample)

    # Schedule.
    scalars["mu"] = {f"{s},{n}": compute_empirical_mu(s, n) for s in (15, 256, 1024, 4096, 4300, 4301, 9216) for n in (2, 4, 20, 50)}
    scalars["sigmas"] = {}
    for s, n in ((15, 2), (15, 4), (1024, 4), (4096, 4), (4096, 28), (9216, 8)):
        schedule.set_timesteps(sigmas=np.linspace(1, 1 / n, n), mu=compute_empirical_mu(s, n))
        scalars["sigmas"][f"{s},{n}"] = schedule.sigmas.tolist()

    # One call of the transformer, piece by piece.
    noise = torch.randn((2, 16, HEIGHT // 16, WIDTH // 16), generator=rng)
    put("noise", noise)
    tokens, ids = pipe.prepare_latents(2, 4, HEIGHT, WIDTH, torch.float32, "cpu", None, noise)
    refs, ref_ids = pipe.prepare_image_latents(inputs, 2, None, "cpu", torch.float32)
    embeds, text_ids = pipe.encode_prompt(PROMPT, device="cpu", max_sequence_length=LENGTH, text_encoder_out_layers=TAPS)
    put("ids.text", text_ids[0].int())
    put("ids.noise", ids[0].int())
    put("ids.refs", ref_ids[0].int())
    put("tokens.refs", refs[:1])
    call = dict(hidden_states=torch.cat([tokens, refs], 1)[:1], timestep=torch.full((1,), 0.7), guidance=None,
                encoder_hidden_states=embeds, txt_ids=text_ids, img_ids=torch.cat([ids, ref_ids], 1)[:1], return_dict=False)
    seen = {}

    def watch(module, name, index=None):
        def hook(_, __, o):
            seen.setdefault(name, o if index is None else o[index])
        return module.register_forward_hook(hook)

    hooks = [watch(net.x_embedder, "img_in"), watch(net.context_embedder, "txt_in"), watch(net.time_guidance_embed, "time"),
             watch(net.double_stream_modulation_img, "mod_img"), watch(net.double_stream_modulation_txt, "mod_txt"),
             watch(net.single_stream_modulation, "mod_single"), watch(net.norm_out, "norm_out")]
    for i, block in enumerate(net.transformer_blocks):
        hooks += [watch(block, f"double.{i}.txt", 0), watch(block, f"double.{i}.img", 1)]
    hooks += [watch(block, f"single.{i}") for i, block in enumerate(net.single_transformer_blocks)]
    ropes = []
    hooks.append(net.pos_embed.register_forward_hook(lambda _, __, o: ropes.append(o)))
    velocity = net(**call)[0][:, :tokens.shape[1]]
    for hook in hooks:
        hook.remove()
    for name, value in seen.items():
        put(f"net.{name}", value)
    # Each pair of a rotation has one angle, repeated: kept once.
    put("net.rope.cos", torch.cat([ropes[1][0], ropes[0][0]])[:, ::2])
    put("net.rope.sin", torch.cat([ropes[1][1], ropes[0][1]])[:, ::2])
    put("net.velocity", velocity)
    for name, real in {"fp8": fp8_real, "q8_0": q8_real}.items():
        other = Flux2Transformer2DModel.from_config(net.config).eval()
        other.load_state_dict(convert_flux2_transformer_checkpoint_to_diffusers({k: v.clone() for k, v in real.items()}))
        put(f"{name}.velocity", other(**call)[0][:, :tokens.shape[1]])

    # Whole runs.
    def run(which, name, steps, keep_image=False, **kw):
        latents = []

        def keep(_, i, t, values):
            latents.append(values["latents"].clone())
            return values

        which.set_progress_bar_config(disable=True)
        made = which(prompt=PROMPT, num_inference_steps=steps, max_sequence_length=LENGTH, text_encoder_out_layers=TAPS,
                     callback_on_step_end=keep, output_type="pt", **kw).images
        for i, value in enumerate(latents):
            put(f"{name}.step.{i}", value)
        if keep_image:
            put(f"{name}.image", made)
        return made

    size = dict(height=HEIGHT, width=WIDTH, num_images_per_prompt=2, latents=noise)
    both = [canvas, asset]
    made = run(pipe, "klein", 2, True, image=both, guidance_scale=1.0, **size)
    alone = pipe(prompt=PROMPT, num_inference_steps=2, max_sequence_length=LENGTH, text_encoder_out_layers=TAPS, image=both,
                 guidance_scale=1.0, height=HEIGHT, width=WIDTH, latents=noise[1:], output_type="pt").images
    assert (alone[0] - made[1]).abs().max() < 1e-5
    pipe.register_to_config(is_distilled=False)
    run(pipe, "cfg", 2, image=both, guidance_scale=4.0, **size)
    run(pipe, "words", 2, guidance_scale=1.0, **size)

    # Masked: two strengths, a mask with hard edges whose tokens are soft.
    inpaint = Flux2KleinInpaintPipeline(**parts, is_distilled=True)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[12:36, 24:60] = 255
    put("inpaint.mask", mask)
    known, shown = {}, {}
    latents_of, mask_of = inpaint.prepare_latents, inpaint.prepare_mask_latents

    def spy(*a, **kw):
        made = latents_of(*a, **kw)
        known.update(start=made[0], noise=made[1], clean=made[2])
        return made

    def spy_mask(*a, **kw):
        shown["mask"] = mask_of(*a, **kw)
        return shown["mask"]

    inpaint.prepare_latents, inpaint.prepare_mask_latents = spy, spy_mask
    for name, strength in {"inpaint": 1.0, "modify": 0.75}.items():
        run(inpaint, name, 4, name == "inpaint", image=canvas, mask_image=Image.fromarray(mask), image_reference=asset,
            strength=strength, guidance_scale=1.0, generator=torch.Generator().manual_seed(5))
        for part, value in known.items():
            put(f"{name}.{part}", value)
    put("inpaint.tokens", shown["mask"])

    json.dump(scalars, open(out / "golden.json", "w"), indent=1, ensure_ascii=False)
    save_file(g, out / "golden.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
