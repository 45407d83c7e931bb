// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/metrics.hpp"
#include "graph/split.hpp"
#include "search/row_mask.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace tessera::evaluate {

/// Whose known answers are left out when another answer to the same query is ranked.
enum class Filter {
  kTrainValid,      ///< for choosing a model: nothing of the test split is looked at
  kTrainValidTest,  ///< for the number that is reported
};
/// "train, valid", "train, valid, test".
const char* name(Filter filter);

/// A file that lists the candidates of every target (docs/formats/candidates.md), and where its names are looked up.
struct CandidateFile {
  std::filesystem::path file;
  std::filesystem::path graph_folder;      ///< DATA.kg
  std::filesystem::path partition_folder;  ///< DATA.kg/parts-P
  std::filesystem::path contents = {};     ///< where `file` is read: a copy, where it is a pipe
  [[nodiscard]] bool given() const { return !file.empty(); }
};

struct Options {
  Filter filter = Filter::kTrainValidTest;
  std::uint64_t max_triples = 0;       ///< 0: all; else about that many, chosen by a hash of the triple, not by rank
  std::uint64_t block_queries = 4096;  ///< most queries ranked at once, all parts together; less when memory is short
  bool show_progress = false;          ///< on rank 0
  CandidateFile candidates = {};       ///< no file: all entities, which is the exact figure
  const search::RowMask* among = nullptr;  ///< rows of this rank that are candidates; none: all are. Outlives all else
  std::string condition = {};              ///< what chose them, for reports
  bool type_constrained = false;  ///< candidates are the entities that the graph has at that end of the relation
  bool scores_only = false;       ///< targets are scored and not compared: all ranks are 1 of 1
  /// Targets are ranked among some entities only.
  [[nodiscard]] bool are_some() const { return candidates.given() || among != nullptr || type_constrained; }
};

/// Receives ranked queries on every rank: the same blocks in part order; may communicate.
using RankConsumer = std::function<void(std::span<const RankedQuery>)>;

using search::ModelLabel;

/// Exact filtered ranking by some model, both directions. All functions but the last four are collective.
class Ranking {
 public:
  virtual ~Ranking() = default;
  /// Ranks the targets of a split. All ranks return the same metrics. Throws AgreedError(kBadData) that names the
  /// entity, relation or query when a score is not a number.
  virtual Metrics run(graph::Split split, const RankConsumer& consume) = 0;
  /// Ranks both queries of each triple of a list, which is the same on every rank; the filter leaves out what the graph
  /// knows. Order: by the rank that owns the source, then that of the list, tail first.
  virtual void run(std::span<const Triple> triples, const RankConsumer& consume) = 0;
  /// Queries that run() ranks, of all ranks.
  virtual std::uint64_t query_count(graph::Split split) = 0;
  /// XXH3-128 of the candidate file; empty when targets are ranked among all entities.
  [[nodiscard]] virtual std::string candidate_digest() const = 0;
  [[nodiscard]] virtual std::uint64_t block_queries() const = 0;
  [[nodiscard]] virtual const Options& options() const = 0;
  /// What ranks: the name of the model, and its width.
  [[nodiscard]] virtual ModelLabel model() const = 0;
};

}  // namespace tessera::evaluate
