// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/evaluation.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace tessera::evaluate {

inline constexpr const char* kEvaluationKind = "evaluation";
inline constexpr std::uint64_t kEvaluationVersion = 2;

/// Where ranks are written, and what the file says about the model.
struct RankFileTarget {
  std::filesystem::path run_folder;
  std::filesystem::path partition_folder;  ///< where the ids of graph.h5 are read from
  std::uint64_t epoch = 0;                 ///< epoch of the checkpoint
  BootstrapOptions bootstrap = {};
};

/// "evaluation-test.h5"; "evaluation-test-candidates.h5" when candidates are listed, so that an extra never replaces
/// the exact ranks.
std::string rank_file_name(graph::Split split, bool listed_candidates = false);

/// Collective. Ranks a split and writes RUN/evaluation-SPLIT.h5 (docs/formats/evaluation.md) block by block from rank
/// 0; the file appears whole or not at all and replaces an older one. All ranks return the same, beside why_not_stored.
/// A folder that cannot be written costs a warning. Throws AgreedError:
/// kBadData when the split is empty, kMissingInput, kIo.
Evaluation evaluate_to_file(Ranking& evaluator, const search::Ranks& setup, graph::Split split,
                            const RankFileTarget& target);

}  // namespace tessera::evaluate
