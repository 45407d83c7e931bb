# SPDX-FileCopyrightText: The Tessera authors
# SPDX-License-Identifier: Apache-2.0
from spack.package import *
from spack_repo.builtin.build_systems.cmake import CMakePackage
from spack_repo.builtin.build_systems.cuda import CudaPackage


class Tessera(CMakePackage, CudaPackage):
    """Trains, ranks and queries embedding models of knowledge graphs that are too big for one memory."""

    # From a checkout: spack install tessera@main, after `spack develop --path CHECKOUT tessera@main`.
    version("main", branch="main")

    license("Apache-2.0")

    variant("rdf", default=False, description="Read Turtle and RDF/XML: serd, which Spack lacks, and raptor2 must be there")
    variant("tests", default=False, description="Build the tests and the benchmarks")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconf", type="build")
    depends_on("python@3.9:", type=("build", "test"))
    depends_on("mpi@3:")
    depends_on("hdf5@1.10.9: ~mpi +shared")
    depends_on("metis@5.1: +int64")
    depends_on("highway@1.0.3:")
    depends_on("random123@1.13:", type="build")
    depends_on("cli11@2.1:", type="build")
    depends_on("tomlplusplus", type="build")
    depends_on("nlohmann-json@3.11:", type="build")
    depends_on("spdlog@1.10: +shared")
    depends_on("fmt@9.1:")
    depends_on("zstd@1.5:")
    depends_on("zlib-api")
    depends_on("xxhash@0.8:")
    depends_on("googletest@1.12: +gmock", type=("build", "test"), when="+tests")
    depends_on("benchmark@1.7:", type=("build", "test"), when="+tests")
    depends_on("cuda@12:", when="+cuda")
    for arch in CudaPackage.cuda_arch_values:
        depends_on(f"nccl@2.18: +cuda cuda_arch={arch}", when=f"+cuda cuda_arch={arch}")

    conflicts("cuda_arch=none", when="+cuda", msg="say which GPUs: cuda_arch=90 for H100 and H200")
    conflicts("%gcc@:11", msg="C++20 of GCC 12 is needed")

    def cmake_args(self):
        args = [
            self.define_from_variant("TESSERA_CUDA", "cuda"),
            self.define_from_variant("TESSERA_RDF", "rdf"),
            self.define_from_variant("TESSERA_BUILD_TESTS", "tests"),
            self.define_from_variant("TESSERA_BUILD_BENCH", "tests"),
        ]
        if self.spec.satisfies("+cuda"):
            args.append(self.define("CMAKE_CUDA_ARCHITECTURES", self.spec.variants["cuda_arch"].value))
        return args
