"""Tests of the installed wheel: python test_headprof.py. Needs NumPy and PyArrow; the presses
are tested where kvpress is installed."""

import csv
import importlib.util
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import headprof


def program(*args):
    return subprocess.run([headprof.program(), *args], check=True, capture_output=True, text=True).stdout


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.run_folder = str(Path(cls.folder.name) / "profile")
        program("score", "--quiet", "--count", "24", "--out", cls.run_folder)
        cls.profile = headprof.read(cls.run_folder)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def rows(self, method):
        with open(Path(self.run_folder) / "scores.csv", newline="") as file:
            return [r for r in csv.DictReader(file) if r["method"] == method]

    def test_program_is_the_wheels(self):
        self.assertIn(headprof.__version__, program("--version"))

    def test_scores_are_the_tables(self):
        self.assertEqual(self.profile.methods, ["headkv-r2", "retrieval", "semantic", "r2-mass"])
        self.assertEqual(self.profile.model, "headprof tiny")
        for method in self.profile.methods:
            scores = self.profile.scores(method)
            self.assertEqual((scores.shape, scores.dtype), ((4, 8), np.float64))
            for r in self.rows(method):
                self.assertEqual(scores[int(r["layer"]), int(r["head"])], float(r["mean"]))

    def test_top_is_by_rank(self):
        want = sorted(self.rows("headkv-r2"), key=lambda r: int(r["rank"]))[:5]
        self.assertEqual(self.profile.top(5), [(int(r["layer"]), int(r["head"])) for r in want])

    def test_kv_heads(self):
        scores = self.profile.scores().reshape(4, 4, 2)  # two query heads share a KV head
        np.testing.assert_array_equal(self.profile.kv_heads(reduce="max"), scores.max(2))
        np.testing.assert_allclose(self.profile.kv_heads(reduce="mean"), scores.mean(2), rtol=1e-15)
        np.testing.assert_allclose(self.profile.kv_heads(reduce="sum"), scores.sum(2), rtol=1e-15)
        with self.assertRaises(ValueError):
            self.profile.kv_heads(reduce="least")

    def test_other_forms(self):
        published = headprof.read(Path(self.run_folder) / "headkv.json", kv_heads=4)
        np.testing.assert_allclose(published.scores(), self.profile.scores(), rtol=1e-6)
        np.testing.assert_array_equal(published.budget(64).entries, self.profile.budget(64).entries)
        with self.assertRaisesRegex(headprof.HeadprofError, "which KV head"):
            headprof.read(Path(self.run_folder) / "headkv.json").kv_heads()
        with self.assertRaisesRegex(headprof.HeadprofError, "nothing"):
            headprof.read(Path(self.folder.name) / "nothing")

    def test_budget_is_the_programs(self):
        out = Path(self.folder.name) / "budget.csv"
        for args, keywords in (
            (["--capacity", "64"], {}),
            (["--capacity", "64", "--beta", "1.05", "--level", "head"], {"beta": 1.05, "level": "head"}),
            (["--capacity", "64", "--policy", "pyramid", "--window", "16"], {"policy": "pyramid", "window": 16}),
            (["--capacity", "64", "--fit", "--context", "300", "--method", "retrieval"], {"fit": True, "context": 300, "method": "retrieval"}),
        ):
            program("budget", self.run_folder, *args, "--out", str(out))
            budget = self.profile.budget(64, **keywords)
            with open(out, newline="") as file:
                for r in csv.DictReader(file):
                    at = int(r["layer"]), int(r["head"])
                    self.assertEqual((budget.entries[at], budget.selected[at]), (int(r["entries"]), int(r["budget"])))
        with self.assertRaisesRegex(headprof.HeadprofError, "capacity 4"):
            self.profile.budget(4)

    def test_trials(self):
        trials = self.profile.trials()
        self.assertIsInstance(trials, pa.Table)
        method = trials.filter(pc.and_(pc.equal(trials["method"], "headkv-r2"), trials["pass"]))
        means = method.group_by(["layer", "head"]).aggregate([("score", "mean")])
        scores = self.profile.scores()
        for r in means.to_pylist():
            self.assertAlmostEqual(scores[r["layer"], r["head"]], r["score_mean"], places=12)

    def test_vllm_hook_both_ways(self):
        path = Path(self.folder.name) / "hook.json"
        path.write_text(json.dumps(self.profile.vllm_hook(6)))
        self.assertEqual(headprof.read_vllm_hook(path), self.profile.top(6))
        path.write_text('{"params": {"important_heads": [[1]]}}')
        with self.assertRaisesRegex(ValueError, "important_heads"):
            headprof.read_vllm_hook(path)

    def test_lukv_both_ways(self):
        curve = self.profile.lukv(2000)
        self.assertEqual(curve.shape, (99, 4, 4))
        np.testing.assert_allclose(curve.mean((1, 2)), np.arange(1, 100) / 100, atol=1e-3)  # total is exact but for rounding
        path = Path(self.folder.name) / "curve.npy"
        np.save(path, curve)
        np.testing.assert_array_equal(headprof.read_lukv(path, 0.5), 1 - curve[49])
        np.save(path, curve[0])
        with self.assertRaisesRegex(ValueError, "99, layers"):
            headprof.read_lukv(path, 0.5)


@unittest.skipUnless(importlib.util.find_spec("kvpress"), "kvpress is not installed")
class Presses(unittest.TestCase):
    """With a random Llama, 3 layers of 8 heads on 2 KV heads."""

    def setUp(self):
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(1)
        config = LlamaConfig(vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=8, num_key_value_heads=2, attn_implementation="sdpa")
        self.model = LlamaForCausalLM(config).eval()
        self.prompt = torch.randint(0, 64, (1, 120))
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "scores.csv"
        scores = np.random.default_rng(1).random((3, 8))
        with open(path, "w", newline="") as file:
            w = csv.writer(file)
            w.writerow(["layer", "head", "kv_head", "method", "mean"])
            w.writerows([l, h, h // 4, "headkv-r2", scores[l, h]] for l in range(3) for h in range(8))
        self.profile = headprof.read(path)

    def run_press(self, press):
        import torch
        from transformers import DynamicCache

        with torch.no_grad(), press(self.model):
            cache = DynamicCache()
            self.model(self.prompt, past_key_values=cache)
            # The next token sees only what the press left.
            return self.model(self.prompt[:, :1], past_key_values=cache, cache_position=torch.tensor([120])).logits

    def test_head_kv_press(self):
        from headprof.kvpress import HeadKVPress

        press = HeadKVPress(self.profile, capacity=24)
        self.run_press(press)
        want = np.minimum(self.profile.budget(24).kv_entries, 120)
        got = np.array([press.kept[l][0].sum(-1).tolist() for l in range(3)])
        np.testing.assert_array_equal(got, want)
        self.assertAlmostEqual(press.compression_ratio, 1 - want.sum() / (6 * 120))
        self.assertTrue(all(bool(press.kept[l][..., -8:].all()) for l in range(3)))

    def test_all_is_kept_where_budgets_exceed_the_prompt(self):
        import torch
        from headprof.kvpress import HeadKVPress
        from kvpress import KnormPress

        same = self.run_press(HeadKVPress(self.profile, capacity=4096, policy="uniform"))
        torch.testing.assert_close(same, self.run_press(KnormPress(0.0)), rtol=0, atol=0)

    def test_duo_press(self):
        from headprof.kvpress import ProfileDuoPress

        press = ProfileDuoPress(self.profile, streaming=0.5, sink=4, recent=16)
        scores = self.profile.kv_heads(reduce="max")
        self.assertEqual(press.mask.sum(), 3)
        self.assertLessEqual(scores[press.mask].max(), scores[~press.mask].min())
        self.run_press(press)
        self.assertAlmostEqual(press.compression_ratio, 0.5 * 100 / 120)

    def test_ratios(self):
        from headprof.kvpress import head_ratios

        ratios = head_ratios(self.profile, 0.75, 1000)
        self.assertEqual(ratios.shape, (3, 2))
        self.assertAlmostEqual(ratios.mean(), 0.75, places=3)

    def test_errors(self):
        from headprof.kvpress import HeadKVPress

        with self.assertRaisesRegex(headprof.HeadprofError, "capacity 4"):
            HeadKVPress(self.profile, capacity=4)
        with self.assertRaisesRegex(ValueError, "query head"):
            HeadKVPress(self.profile, capacity=24, level="head")
        self.model.config.num_key_value_heads = 4
        with self.assertRaisesRegex(ValueError, "another model"):
            with HeadKVPress(self.profile, capacity=24)(self.model):
                pass


if __name__ == "__main__":
    unittest.main()
