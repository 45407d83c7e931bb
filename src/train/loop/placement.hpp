// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/run_state.hpp"
#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "core/provenance.hpp"
#include "graph/shard.hpp"
#include "memory/pool.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tessera::train {

/// The hardware of a rank, and its parts.
struct RankShare {
  std::string computes_with;         ///< "NVIDIA H100 80GB HBM3, products bf16", "cpu, 8 threads"
  double candidates_per_second = 0;  ///< speed in a rehearsed step (step_speed.hpp); 0: not measured
  std::uint32_t parts = 0;
};

/// How parts went to ranks.
struct PartsGivenOut {
  graph::Placement placement;
  std::string why;  ///< "equal numbers", "by measured speed", "as run.placement says"
  std::vector<RankShare> ranks;
};

/// Collective. Gives parts to ranks as job.run.placement says: "equal"; "speed": by measure(), the speed of this rank;
/// "6,2": so many to each rank; "auto": by speed when the ranks compute with different things, else equal. Throws
/// AgreedError(kUsage) when a list does not fit ranks and parts.
PartsGivenOut give_out_parts(comm::Communicator& comm, const Job& job, const std::string& computes_with,
                             const std::function<double()>& measure);

/// "6,2": what run.placement takes.
std::string placement_list(const graph::Placement& placement);

/// Whether no rank has two parts more than another, and those with more come first: what "equal" gives.
bool has_equal_numbers(const graph::Placement& placement);

inline constexpr const char* kStartsLog = "starts.jsonl";

/// The circumstances of a start.
struct Circumstances {
  Provenance program;  ///< empty texts: of a version that did not say them
  std::string job_id;  ///< of the queue of a cluster; empty: none
  std::optional<std::array<std::uint64_t, memory::kTagCount>> planned_bytes;  ///< largest of the ranks, by tag
};

/// A start of training: where the run stood, and on which ranks.
struct Start {
  checkpoint::Position after;
  std::string placement;  ///< placement_list()
  std::string why;
  std::vector<RankShare> ranks;
  Circumstances circumstances;
};

/// Appends to RUN/starts.jsonl, one JSON object per line. On one rank. Throws Error(kIo).
void record_start(const std::filesystem::path& run_folder, const checkpoint::Position& after,
                  const PartsGivenOut& shares, const Circumstances& circumstances = {});

/// The lines of a starts.jsonl; one without its end was cut off and is left out, a missing file has none. Throws
/// Error(kBadData) naming file and line.
std::vector<Start> read_starts(const std::filesystem::path& file);

}  // namespace tessera::train
