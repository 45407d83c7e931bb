// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/metrics.hpp"
#include "graph/split.hpp"
#include "search/ranker.hpp"
#include "search/setup.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
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

/// Exact filtered ranking of the targets of a split among all entities, both directions, without gathering the table.
/// A score is computed where its row lives; what travels is query vectors, ids of known answers (or of listed
/// candidates) and integer counts (32 + 4 dim bytes per query to every rank, 32 bytes per query reduced). Ranks and
/// metrics have the same bits on any number of ranks and threads. Works on the parameters as they are when run() is
/// called.
class Evaluator {
 public:
  /// Collective. Takes all its memory (Tag::kEvaluation) here and reads the candidate file, if there is one. Throws
  /// AgreedError: kOverBudget; kMissingInput and kBadData for the candidate file. Whatever `make_ranker` makes compares
  /// with the same bits; where options.among is given, targets are ranked among those rows by the host.
  Evaluator(const search::Setup& setup, const Options& options,
            const search::MakeRanker& make_ranker = search::rank_on_host());
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// Collective. All ranks return the same metrics. After the first run of a split the pool is not asked for more.
  /// Throws AgreedError(kBadData) that names the entity, relation or query when a score is not a number, or when the
  /// candidate file has no list for a query.
  Metrics run(graph::Split split, const RankConsumer& consume = {});

  /// Collective. Ranks both queries of each triple of a list, which is the same on every rank; the filter leaves out
  /// what the graph knows. Order: by the rank that owns the source, then that of the list, tail first.
  void run(std::span<const Triple> triples, const RankConsumer& consume);

  /// Collective. Queries that run() ranks, of all ranks.
  std::uint64_t query_count(graph::Split split);

  /// XXH3-128 of the candidate file; empty when targets are ranked among all entities.
  [[nodiscard]] std::string candidate_digest() const;

  /// Bytes that an evaluator takes of the pool when it is made and ranks on the host, listed candidates apart.
  static std::uint64_t bytes(const search::Sizes& sizes);
  [[nodiscard]] std::uint64_t block_queries() const;
  [[nodiscard]] const Options& options() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::evaluate
