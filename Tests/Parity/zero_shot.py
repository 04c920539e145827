"""Compares zero-shot heads with a PyTorch loop: the same CLIP model of transformers, features of the same frames,
and its text features.

    python zero_shot.py --binary .build/release/zoetrope --clips FOLDER      # torch, transformers, onnxruntime, numpy

Prints the largest difference of any probability, for the run and for its head as ONNX, and whether `search` ranks clips like
NumPy.
"""

import argparse
import json
import pathlib
import sqlite3
import subprocess
import tempfile
import warnings

warnings.filterwarnings("ignore")

import numpy
import onnxruntime
import torch

from text_goldens import clip_tokenizer, trained_merges

PROMPTS = {"ball": ["somebody throws a ball", "a ball in the air"], "road": ["a bicycle on the road"]}
TEMPLATES = ["a photo of {}.", "a film: {}"]


def model(folder, vocabulary):
    from transformers import CLIPConfig, CLIPModel

    text = {"vocab_size": vocabulary, "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1}
    torch.manual_seed(1)
    made = CLIPModel(CLIPConfig(text_config=text)).eval()
    made.save_pretrained(folder)
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--clips", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        merges = trained_merges()
        tokenizer = clip_tokenizer(merges)
        network = model(folder, 512 + len(merges) + 2)
        pathlib.Path(folder, "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
        labels = ["JumpRope", "ball", "road"]
        for number, clip in enumerate(sorted(pathlib.Path(options.clips).glob("*.[ma][pv][4i]"))):
            target = pathlib.Path(folder, "clips", "test", labels[number % 3], clip.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(clip.resolve())
        pathlib.Path(folder, "p.yaml").write_text(json.dumps({
            "name": "words", "dataset": {"root": folder + "/clips"},
            "extract": {"backbone": "clip_vitb32", "weights": folder + "/model.safetensors", "tap": "projected",
                        "sampling": {"policy": "uniform", "frames": 5}},
            "sequence": {"model": {"kind": "zero_shot", "prompts": PROMPTS, "templates": TEMPLATES}}}))

        def run(*arguments):
            result = subprocess.run([options.binary, *arguments], capture_output=True, text=True, cwd=folder)
            assert result.returncode == 0, result.stderr
            return result.stdout

        run("extract", "p.yaml")
        print(run("sequence", "p.yaml").strip())
        run("export", "runs/words", "head.onnx", "--part", "head")
        cache = sqlite3.connect(folder + "/features.sqlite")
        rows = cache.execute(
            "SELECT v.path, s.features, s.length FROM sequence s JOIN video v ON v.id = s.video_id ORDER BY v.path").fetchall()
        def text(sentence):
            with torch.no_grad():
                vector = network.get_text_features(torch.tensor([tokenizer(sentence)["input_ids"]]))
            return vector if torch.is_tensor(vector) else vector.pooler_output

        with torch.no_grad():
            classes = []
            for label in labels:
                phrases = PROMPTS.get(label, ["jump rope"])
                sentences = [template.replace("{}", phrase) for phrase in phrases for template in TEMPLATES]
                vectors = torch.nn.functional.normalize(torch.cat([text(sentence) for sentence in sentences]), dim=-1)
                classes.append(torch.nn.functional.normalize(vectors.mean(0), dim=-1))
            expected = []
            for _, blob, length in rows:
                frames = torch.from_numpy(numpy.frombuffer(blob, "<f4").reshape(-1, 512)[:length].copy())
                mean = torch.nn.functional.normalize(torch.nn.functional.normalize(frames, dim=-1).mean(0), dim=-1)
                expected.append((network.logit_scale.exp() * torch.stack(classes) @ mean).softmax(0).numpy())
        stored = [
            [p for (p,) in cache.execute(
                "SELECT j.value FROM prediction p JOIN video v ON v.id = p.video_id, json_each(p.probabilities) j WHERE v.path = ? "
                "ORDER BY j.key", (path,))] for path, _, _ in rows]
        session = onnxruntime.InferenceSession(folder + "/head.onnx")
        given = numpy.stack([numpy.frombuffer(blob, "<f4").reshape(-1, 512) for _, blob, _ in rows])
        mask = numpy.stack([numpy.arange(given.shape[1]) < length for *_, length in rows])
        exported = session.run(None, {"features": given, "mask": mask})[0]
        expected = numpy.stack(expected)
        print(f"probabilities {expected.min():.3f} to {expected.max():.3f}")
        print(f"run  {abs(numpy.array(stored) - expected).max():.1e}")
        print(f"ONNX {abs(exported - expected).max():.1e}")
        wanted, other = (
            v.numpy()[0] / numpy.linalg.norm(v.numpy()) for v in map(text, ["somebody throws a ball", "a bicycle"]))
        scores = {}
        for path, blob, length in rows:
            frames = numpy.frombuffer(blob, "<f4").reshape(-1, 512)[:length]
            frames = frames / numpy.linalg.norm(frames, axis=1, keepdims=True)
            scores[path] = (frames @ wanted - frames @ other).max()
        found = json.loads(run(
            "search", "features.sqlite", "somebody throws a ball", "--not", "a bicycle", "--by", "clip", "--json"))
        ranked = sorted(scores, key=scores.get, reverse=True)
        error = max(abs(match["score"] - scores[match["path"]]) for match in found)
        print(f"search ranks like NumPy: {[match['path'] for match in found] == ranked}; scores differ by {error:.1e}")
        run("evaluate", "runs/words")
        run("compare", "runs/words", "runs/words")
        clip = next(pathlib.Path(options.clips).glob("*.mp4")).resolve()
        print(run("predict", "runs/words", str(clip)).strip())


if __name__ == "__main__":
    main()
