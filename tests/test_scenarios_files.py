"""Scenarios of files of PDEBench and the Well: small ones in each layout, written and read back."""

import dataclasses

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox.bench.scenarios._arrays import ArrayFile, PairFile, from_pairs
from pdequinox.bench.scenarios._pdebench import PDEBench, PDEBenchDarcy
from pdequinox.bench.scenarios._the_well import TheWell
from pdequinox.boundary import grid
from stored_fields import fields, normalised, write_h5

# PDEBench


def scalar_file(path, **changed):
    n = 8
    arrays = {"tensor": fields(10, 5, n), "x-coordinate": grid(n, 1.0, "cell-neumann").astype(np.float32)}
    arrays["t-coordinate"] = np.linspace(0, 1.25, 6).astype(np.float32)  # one more than there are states, as there
    return write_h5(path, arrays | changed), arrays["tensor"]


def test_pdebench_scalars_in_one_dimension(tmp_path):
    path, tensor = scalar_file(tmp_path / "1D_Burgers.hdf5")
    scenario = PDEBench(path=path, boundary_mode="periodic", reduced_resolution=2, reduced_resolution_t=2)
    assert scenario.shape == (4,) and scenario.num_channels == 1 and scenario.train_temporal_horizon == 2
    assert scenario.domain_extent == pytest.approx((1.0,), rel=1e-5)
    assert scenario.time_step == pytest.approx(0.5)
    kept = tensor[:, ::2, None, ::2]
    np.testing.assert_allclose(scenario.data().test, normalised(kept[8:], kept[:8]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_pdebench_fluids(tmp_path, dims):
    points = (4, 6, 5)[:dims]
    names = ["density", "pressure", "Vx", "Vy", "Vz"][: dims + 2]
    arrays = {name: fields(5, 3, *points) for name in names}
    coordinates = {
        f"{axis}-coordinate": grid(n, 2.0, "cell-neumann") - 1 for axis, n in zip("xyz", points, strict=False)
    }
    path = write_h5(tmp_path / "CFD.hdf5", arrays | coordinates)
    scenario = PDEBench(path=path, boundary_mode="cell-neumann")
    assert scenario.num_channels == dims + 2 and scenario.num_spatial_dims == dims
    assert scenario.domain_extent == pytest.approx((2.0,) * dims) and scenario.time_step is None
    stacked = np.stack([arrays[name] for name in names], axis=2)
    np.testing.assert_allclose(scenario.data().test, normalised(stacked[4:], stacked[:4]), rtol=1e-4, atol=1e-5)
    chosen = PDEBench(path=path, boundary_mode="cell-neumann", fields=("Vx", "density")).data().test
    np.testing.assert_array_equal(chosen, scenario.data().test[:, :, np.array([2, 0])])


def test_pdebench_groups(tmp_path):
    samples = [fields(4, 6, 5, 2) for _ in range(5)]
    arrays = {f"{i:04d}/data": sample for i, sample in enumerate(samples)}
    arrays |= {"0000/grid/x": grid(6, 2.0, "cell-neumann") - 1, "0000/grid/y": grid(5, 1.0, "cell-neumann")}
    path = write_h5(tmp_path / "2D_diff-react.h5", arrays | {"0000/grid/t": np.linspace(0, 1.5, 4)})
    scenario = PDEBench(path=path, boundary_mode="cell-neumann", fields=1)
    stacked = np.moveaxis(np.stack(samples), -1, 2)[:, :, 1:]
    assert scenario.shape == (6, 5) and scenario.time_step == pytest.approx(0.5)
    np.testing.assert_allclose(scenario.data().test, normalised(stacked[4:], stacked[:4]), rtol=1e-4, atol=1e-5)
    assert PDEBench(path=path, boundary_mode="cell-neumann").num_channels == 2


def test_pdebench_darcy(tmp_path):
    nu, tensor = fields(5, 6, 4), fields(5, 1, 6, 4)
    coordinates = {f"{axis}-coordinate": grid(n, 1.0, "cell-neumann") for axis, n in (("x", 6), ("y", 4))}
    path = write_h5(tmp_path / "2D_DarcyFlow.hdf5", {"nu": nu, "tensor": tensor} | coordinates)
    scenario = PDEBenchDarcy(path=path, boundary_mode="cell-dirichlet", reduced_resolution=2)
    reference = from_pairs(nu[:, None], tensor, boundary_mode="cell-dirichlet", reduced_resolution=2)
    assert scenario.shape == (3, 2) and scenario.domain_extent == pytest.approx((1.0, 1.0))
    for a, b in zip(scenario.data(), reference.data(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_more_is_read_than_what_is_asked_for(tmp_path):
    """The file would have 0.8 terabytes; what has not been written takes no space."""
    path = tmp_path / "huge.hdf5"
    with h5py.File(path, "w") as file:
        tensor = file.create_dataset("tensor", (10**6, 201, 1024), "f4", chunks=(1, 201, 1024), fillvalue=np.nan)
        tensor[:4], tensor[-2:] = fields(4, 201, 1024), fields(2, 201, 1024)
    scenario = PDEBench(path=str(path), boundary_mode="periodic", num_train_samples=4, num_test_samples=2)
    data = scenario.data()
    assert data.training.shape == (4, 201, 1, 1024) and bool(jnp.all(jnp.isfinite(data.test)))
    assert path.stat().st_size < 2**23


# The Well


def well_file(path, *, num_samples=2, shape=(6, 4), ends=("PERIODIC", "PERIODIC"), dims=("x", "y"), seed=0, **options):
    """Write a file in the layout of the Well.

    Returns what varies in time, of shape `(samples, times, channels, *shape)`, and what does not.
    """
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    path.parent.mkdir(parents=True, exist_ok=True)
    num_times = options.get("num_times", 5)
    num_dims = len(shape)
    with h5py.File(path, "w") as file:
        file.attrs["grid_type"] = options.get("grid_type", "cartesian")
        file.attrs["n_spatial_dims"] = options.get("n_spatial_dims", num_dims)
        file.attrs["n_trajectories"] = num_samples
        file.attrs["dataset_name"] = "small"
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = list(dims)
        dimensions["time"] = np.linspace(0, 0.25 * (num_times - 1), num_times)
        for dim, n in zip(dims, shape, strict=True):
            dimensions[dim] = options.get("coordinates", {}).get(dim, grid(n, 1.0, "cell-neumann").astype(np.float32))
        conditions = file.create_group("boundary_conditions")
        for dim, n, kinds in zip(dims, shape, ends, strict=True):
            for place, kind in enumerate([kinds] if isinstance(kinds, str) else kinds):
                mask = np.zeros(n, bool)
                mask[[0, -1] if isinstance(kinds, str) else [-place]] = True
                group = conditions.create_group(f"{dim}_{kind}_{place}")
                group.attrs["associated_dims"], group.attrs["bc_type"] = [dim], kind
                group["mask"] = mask
        found = []
        for rank in range(3):
            group = file.create_group(f"t{rank}_fields")
            group.attrs["field_names"] = [f"field{rank}"]
            values = draw(num_samples, num_times, *shape, *(num_dims,) * rank)
            group[f"field{rank}"] = values
            group[f"field{rank}"].attrs.update(sample_varying=True, time_varying=True, dim_varying=[True] * num_dims)
            found.append(np.moveaxis(values.reshape(num_samples, num_times, *shape, -1), -1, 2))
        file["t0_fields"].attrs["field_names"] = ["field0", "profile"]
        file["t0_fields/profile"] = draw(shape[0])
        file["t0_fields/profile"].attrs.update(
            sample_varying=False, time_varying=False, dim_varying=[True] + [False] * (num_dims - 1)
        )
        file.create_group("scalars").attrs["field_names"] = []
        return np.concatenate(found, axis=2), np.asarray(file["t0_fields/profile"])


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_well_in_folders(tmp_path, dims):
    shape, names = (6, 4, 5)[:dims], ("x", "y", "z")[:dims]
    options = {"shape": shape, "dims": names, "ends": ("PERIODIC",) * dims}
    first, _ = well_file(tmp_path / "data/train/a.hdf5", **options)
    second, _ = well_file(tmp_path / "data/train/b.hdf5", seed=1, **options)
    well_file(tmp_path / "data/valid/a.hdf5", seed=2, **options)
    test, _ = well_file(tmp_path / "data/test/a.hdf5", seed=3, **options)
    scenario = TheWell(path=str(tmp_path), num_train_samples=3)
    assert scenario.boundary_mode == ("periodic",) * dims and scenario.shape == shape
    assert scenario.num_channels == 1 + dims + dims**2 and scenario.num_test_samples == 2
    assert scenario.domain_extent == pytest.approx((1.0,) * dims, rel=1e-5) and scenario.time_step == 0.25
    training = np.stack([first[0], second[0], first[1]])  # in turn from the files
    data = scenario.data()
    np.testing.assert_allclose(data.training, normalised(training, training), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data.test, normalised(test, training), rtol=1e-4, atol=1e-5)


def test_the_well_in_one_file_with_chosen_fields(tmp_path):
    values, profile = well_file(tmp_path / "a.h5", num_samples=5)
    scenario = TheWell(path=str(tmp_path / "a.h5"), fields=("field1", "profile"), reduced_resolution=2)
    assert scenario.num_channels == 3 and scenario.num_test_samples == 1
    constant = np.broadcast_to(profile[::2, None], (5, 5, 1, 3, 2))
    kept = np.concatenate([values[:, :, 1:3, ::2, ::2], constant], axis=2)
    np.testing.assert_allclose(scenario.data().test, normalised(kept[4:], kept[:4]), rtol=1e-4, atol=1e-5)


def test_the_well_folder_without_parts_is_held_out_from(tmp_path):
    well_file(tmp_path / "a.h5", num_samples=3, num_times=6)
    well_file(tmp_path / "b.h5", num_samples=2, num_times=4)
    scenario = TheWell(path=str(tmp_path))
    assert (scenario.num_train_samples, scenario.num_test_samples, scenario.train_temporal_horizon) == (4, 1, 3)


def test_the_well_says_that_ends_are_walls_but_not_what_holds_there(tmp_path):
    well_file(tmp_path / "a.h5", num_samples=5, ends=("PERIODIC", "WALL"))
    path = str(tmp_path / "a.h5")
    with pytest.raises(
        ValueError, match=r"`boundary_mode` must be given for a\.h5.*axis 1 are wall, which does not tell"
    ):
        TheWell(path=path)
    assert TheWell(path=path, boundary_mode=("periodic", "cell-dirichlet")).boundary_mode[1] == "cell-dirichlet"
    with pytest.raises(
        ValueError, match=r"`boundary_mode` must agree with a\.h5, where axis 1 is wall, got 'periodic'"
    ):
        TheWell(path=path, boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"axis 0 is periodic, got 'cell-neumann'. Make that axis periodic"):
        TheWell(path=path, boundary_mode="cell-neumann")


def test_the_well_says_that_ends_are_open(tmp_path):
    well_file(tmp_path / "a.h5", num_samples=5, ends=("OPEN", ("WALL", "OPEN")))
    path = str(tmp_path / "a.h5")
    with pytest.raises(ValueError, match=r"axis 0 are open, which is no condition.*say so by 'cell-neumann'"):
        TheWell(path=path)
    with pytest.raises(ValueError, match=r"axis 1 is open and wall, got 'periodic'"):
        TheWell(path=path, boundary_mode=("cell-neumann", "periodic"))
    assert TheWell(path=path, boundary_mode="cell-neumann").num_spatial_dims == 2


def test_walls_inside_the_box_say_nothing_of_its_ends(tmp_path):
    well_file(tmp_path / "a.h5", num_samples=5)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        group = file.create_group("boundary_conditions/obstacle")
        group.attrs["associated_dims"], group.attrs["bc_type"] = ["x", "y"], "WALL"
        group["mask"] = np.pad(np.ones((2, 2), bool), ((2, 2), (1, 1)))
    assert TheWell(path=str(tmp_path / "a.h5")).boundary_mode == ("periodic", "periodic")


# What is refused


def test_files_of_other_layouts_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must be a file or folder that exists, got"):
        ArrayFile(path=str(tmp_path / "nothing.h5"), boundary_mode="periodic")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(ValueError, match=r"`path` must be an HDF5 file, got"):
        PDEBench(path=str(tmp_path / "text.h5"), boundary_mode="periodic")
    np.savez(tmp_path / "a.npz", inputs=fields(2, 1, 4))
    with pytest.raises(ValueError, match=r"`path` must be a file with 'training', got a\.npz with inputs.*'pairs'"):
        ArrayFile(path=str(tmp_path / "a.npz"), boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"`path` must be a file with 'training_inputs', got.*'arrays'"):
        PairFile(path=str(tmp_path / "a.npz"), boundary_mode="periodic")
    path = write_h5(tmp_path / "a.h5", {"something": fields(2, 3)})
    with pytest.raises(
        ValueError, match=r"`path` must be a file with 'tensor', 'density' or '0000/data', got a.h5 with some"
    ):
        PDEBench(path=path, boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"`path` must be a file with 'nu' and 'tensor', got a.h5 with something"):
        PDEBenchDarcy(path=path, boundary_mode="periodic")
    with pytest.raises(ValueError, match=r"`path` must be a file with 'dimensions', 't0_fields'"):
        TheWell(path=path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"`path` must be an HDF5 file, or a folder with some in `train`"):
        TheWell(path=str(tmp_path / "empty"))


def test_pdebench_files_with_wrong_contents_are_refused(tmp_path):
    path = write_h5(tmp_path / "darcy.h5", {"nu": fields(3, 4, 5), "tensor": fields(3, 1, 4, 5)})
    with pytest.raises(
        ValueError, match=r"`path` must hold trajectories, got darcy\.h5.*Use the scenario 'pdebench-darcy'"
    ):
        PDEBench(path=path, boundary_mode="cell-dirichlet")
    path = write_h5(tmp_path / "flat.h5", {"nu": fields(3, 4, 5), "tensor": fields(3, 4, 5)})
    with pytest.raises(ValueError, match=r"'tensor' of shape \(samples, 1, x, y\), got 'tensor' of shape"):
        PDEBenchDarcy(path=path, boundary_mode="cell-dirichlet")
    path = write_h5(tmp_path / "fluid.h5", {"density": fields(3, 4, 5), "Vx": fields(3, 4, 6)})
    with pytest.raises(ValueError, match=r"`path` must hold fields of shape .samples, times.*got 'Vx' of shape"):
        PDEBench(path=path, boundary_mode="periodic")
    path = write_h5(tmp_path / "groups.h5", {"0000/data": fields(3, 4)})
    with pytest.raises(ValueError, match=r"`path` must hold samples of shape .times, x, y, z, channels"):
        PDEBench(path=path, boundary_mode="periodic")
    path = write_h5(tmp_path / "uneven.h5", {"0000/data": fields(3, 4, 1), "0001/data": fields(3, 5, 1)})
    with pytest.raises(ValueError, match=r"`path` must hold samples of one shape"):
        PDEBench(path=path, boundary_mode="periodic").data()
    path, _ = scalar_file(tmp_path / "x.h5", **{"x-coordinate": np.arange(9.0)})
    with pytest.raises(ValueError, match=r"`path` must hold one coordinate for each of the 8 points of axis 0"):
        PDEBench(path=path, boundary_mode="periodic")
    path, _ = scalar_file(tmp_path / "y.h5")
    with pytest.raises(ValueError, match=r"`boundary_mode` must be given for y\.h5"):
        PDEBench(path=path)
    with pytest.raises(
        ValueError, match=r"`boundary_mode` must fit the points.*got 'dirichlet'. Such points are those of 'cell-"
    ):
        PDEBench(path=path, boundary_mode="dirichlet")
    with pytest.raises(
        ValueError, match=r"`domain_extent` must be what the coordinates of y.h5 say, 1 on axis 0, got 2"
    ):
        PDEBench(path=path, boundary_mode="periodic", domain_extent=2.0)
    with pytest.raises(ValueError, match=r"`fields` must be fields of y.h5, tensor, got 'Vx'"):
        PDEBench(path=path, boundary_mode="periodic", fields="Vx")
    with pytest.raises(ValueError, match=r"`fields` must name each field once"):
        PDEBench(path=path, boundary_mode="periodic", fields=("tensor", "tensor"))


def test_files_of_the_well_with_wrong_contents_are_refused(tmp_path):
    well_file(tmp_path / "s.h5", grid_type="spherical")
    with pytest.raises(ValueError, match=r"`path` must hold a Cartesian grid, got a spherical one in s.h5"):
        TheWell(path=str(tmp_path / "s.h5"))
    well_file(tmp_path / "n.h5", n_spatial_dims=3)
    with pytest.raises(ValueError, match=r"`path` must name as many axes as it has dimensions, got x, y for 3"):
        TheWell(path=str(tmp_path / "n.h5"))
    well_file(tmp_path / "two/train/a.h5")
    well_file(tmp_path / "two/train/b.h5", shape=(6, 5))
    with pytest.raises(ValueError, match=r"`path` must be a folder of files that are alike, got another shape in b.h5"):
        TheWell(path=str(tmp_path / "two"))
    well_file(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        del file["t1_fields/field1"]
    with pytest.raises(ValueError, match=r"`path` must hold the fields that it names, got no 'field1' in 't1_fields'"):
        TheWell(path=str(tmp_path / "m.h5"))
    well_file(tmp_path / "c.h5", coordinates={"x": grid(6, 1.0, "neumann")}, ends=("WALL", "PERIODIC"), num_samples=5)
    with pytest.raises(ValueError, match=r"`boundary_mode` must fit the points of axis 0.*those of 'neumann'"):
        TheWell(path=str(tmp_path / "c.h5"), boundary_mode=("cell-neumann", "periodic"))
    well_file(tmp_path / "r.h5", num_samples=5)
    with h5py.File(tmp_path / "r.h5", "r+") as file:
        del file["t0_fields/profile"]
        file["t0_fields/profile"] = np.ones(1)
        file["t0_fields/profile"].attrs["time_varying"] = False
    with pytest.raises(
        ValueError, match=r"`path` must hold fields with the axes that their attributes name, got 'profile'"
    ):
        TheWell(path=str(tmp_path / "r.h5"), fields="profile").data()
    well_file(tmp_path / "v.h5", num_samples=5)
    with h5py.File(tmp_path / "v.h5", "r+") as file:
        for rank in range(3):
            file[f"t{rank}_fields/field{rank}"].attrs["time_varying"] = False
    with pytest.raises(ValueError, match=r"`fields` must be given for v.h5, got None: nothing varies in time"):
        TheWell(path=str(tmp_path / "v.h5"))


def test_the_extra_is_named_when_h5py_is_missing(tmp_path, monkeypatch):
    path, _ = scalar_file(tmp_path / "a.h5")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"needs h5py, which is not installed. Install the extra `bench`"):
        PDEBench(path=path, boundary_mode="periodic")


@pytest.mark.parametrize("make", [ArrayFile, PairFile, PDEBench, PDEBenchDarcy, TheWell], ids=lambda make: make.name)
def test_scenarios_of_files_are_plain_dataclasses(make):
    assert {field.name: field.type for field in dataclasses.fields(make)}["path"] is str
    with pytest.raises(ValueError, match=r"`path` must be a file or folder that exists, got ''"):
        make(boundary_mode="periodic")
