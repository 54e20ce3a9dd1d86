"""Another installation of the package, beside this one in the same process."""

import hashlib
import importlib.metadata
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

PACKAGE = "pdequinox"


def load_rival(folder: Path) -> tuple[str, ModuleType]:
    """Import the package pdequinox of another folder, under a name of its own.

    **Arguments:**

    - `folder`: Made by `pip install --no-deps --target FOLDER pdequinox==0.1.2`. Its dependencies are this process'.

    **Returns:** What it is called, with its version if that is known, and the package.

    **Raises:** `ValueError` if the folder holds no such package, or it cannot be imported.
    """
    folder = folder.resolve()
    file = folder / PACKAGE / "__init__.py"
    if not file.is_file():
        raise ValueError(
            f"`against` must be 'torch' or a folder with the package {PACKAGE}, got {str(folder)!r}. "
            f"Make one with `pip install --no-deps --target {folder} {PACKAGE}==0.1.2`."
        )
    versions = [found.version for found in importlib.metadata.distributions(name=PACKAGE, path=[str(folder)])]
    label = f"{PACKAGE} {versions[0]}" if versions else folder.name
    try:
        return label, _import_as(f"{PACKAGE}_rival_{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}", file)
    except Exception as error:
        raise ValueError(
            f"`against` must be a folder whose {PACKAGE} can be imported here, got {str(folder)!r} "
            f"({type(error).__name__}: {error}). Install it for this Python, and what it needs."
        ) from error


def _import_as(name: str, file: Path) -> ModuleType:
    """Import a package whose own imports are relative, so that they follow it to its new name."""
    _forget(name)
    loader = SourceFileLoader(name, str(file))
    spec = ModuleSpec(name, loader, origin=str(file), is_package=True)
    spec.submodule_search_locations = [str(file.parent)]
    package = module_from_spec(spec)
    sys.modules[name] = package
    try:
        loader.exec_module(package)
    except BaseException:
        _forget(name)
        raise
    return package


def _forget(name: str) -> None:
    for module in [module for module in sys.modules if module == name or module.startswith(name + ".")]:
        del sys.modules[module]


def move_weights(source: Any, target: Any) -> Any:
    """`target` with the floating arrays of `source`, leaf by leaf in their order.

    **Raises:** `ValueError` if the shapes differ.
    """
    given = jax.tree.leaves(eqx.filter(source, eqx.is_inexact_array))
    params, static = eqx.partition(target, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(params)
    shapes, expected = ([jnp.shape(leaf) for leaf in tree] for tree in (given, leaves))
    if shapes != expected:
        raise ValueError(
            f"`target` must have weights of the shapes {shapes}, got {expected}. Compare layers with the same options."
        )
    return eqx.combine(jax.tree.unflatten(structure, given), static)
