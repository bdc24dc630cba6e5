"""Interrupts do not damage files."""

import os
import signal
import time

import keras
import pytest

import keras_cvae
from keras_cvae import callbacks


@pytest.mark.once
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a child")
def test_an_interrupt_waits_for_a_save_and_is_not_lost(tmp_path, monkeypatch):
    model = keras_cvae.build_cvae((6,), latent_dim=2)
    saver = callbacks.SaveEachEpoch(tmp_path / "model.keras")
    saver.set_model(model)
    save = model.save

    def interrupted_save(path):
        os.kill(os.getpid(), signal.SIGINT)
        save(path)

    before = signal.getsignal(signal.SIGINT)
    with saver:
        saver.on_train_begin()
        monkeypatch.setattr(model, "save", interrupted_save)
        with pytest.raises(KeyboardInterrupt):
            saver.on_epoch_end(0, {"loss": 1.0})
        assert saver.epochs == 1 and os.listdir(tmp_path) == ["model.keras"]
        monkeypatch.undo()
        with pytest.raises(KeyboardInterrupt):  # where somebody ignored the first one
            saver.on_epoch_end(1, {"loss": 1.0})
        with pytest.raises(KeyboardInterrupt):  # at once outside of a save
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is before
    assert keras.models.load_model(tmp_path / "model.keras").latent_dim == 2


@pytest.mark.once
def test_an_existing_link_is_not_followed_for_writing(tmp_path):
    model = keras_cvae.build_cvae((6,), latent_dim=2)
    (tmp_path / "precious").write_text("mine")
    for name in ("unfinished.keras", "model.keras"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    saver = callbacks.SaveEachEpoch(tmp_path / "model.keras")
    saver.set_model(model)
    saver.on_train_begin()
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "model.keras").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["model.keras", "precious", "unfinished.keras"]
