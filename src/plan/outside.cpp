// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/outside.hpp"

#include "comm/mpi/mpi_session.hpp"
#include "memory/resident.hpp"
#include "model/scorer.hpp"

#include <algorithm>

namespace tessera::plan {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

// Measured on Debian 12 (Open MPI 4.1, HDF5 1.10), as the peak of a run less the peak of its pool and less what the
// process had at its start. tests/end_to_end/plan_test.py compares whole runs with plans.
constexpr std::uint64_t kLibraries = 15 * kMiB;  // where the system does not say what a process has
constexpr std::uint64_t kMpi = 10 * kMiB;        // of a rank that mpirun has started
constexpr std::uint64_t kFiles = 4 * kMiB;       // HDF5, logs, metrics
constexpr std::uint64_t kThread = kMiB / 4;      // stack and heap of each further thread
constexpr std::uint64_t kBlock = 4096;           // rows that an export reads at once, as they are stored and in fp32

std::uint64_t measured_at_start() {
  static const std::uint64_t bytes = std::max(kLibraries, memory::resident().now_bytes);
  return bytes;
}

}  // namespace

std::uint64_t outside_bytes(Stage stage, const PlannedRank& planned) {
  std::uint64_t bytes = measured_at_start() + kFiles + (planned.threads - 1) * kThread;
  const bool is_parallel = stage != Stage::kExport && planned.placement.rank_count() > 1;
  if (is_parallel && !comm::MpiSession::started_by_launcher()) bytes += kMpi;
  if (stage == Stage::kExport) {
    const std::size_t relation_dim = model::find_scorer(planned.job.model.name).operator_dim(planned.job.model.dim);
    bytes +=
        sizeof(float) * (2 * planned.sizes.manifest.relation_count * relation_dim + 2 * kBlock * planned.job.model.dim);
  }
  return bytes;
}

}  // namespace tessera::plan
