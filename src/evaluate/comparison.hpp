// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/bootstrap.hpp"

#include <compare>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::evaluate {

/// A query of an evaluation file, in ids of graph.h5; ordered by triple, the two of a triple side by side.
struct StoredQuery {
  std::uint64_t head = 0;
  std::uint32_t relation = 0;
  std::uint64_t tail = 0;
  std::uint8_t side = 0;
  std::uint32_t candidates = 0;
  auto operator<=>(const StoredQuery&) const = default;
};

/// The ranks of queries in an evaluation-SPLIT.h5.
struct StoredEvaluation {
  std::filesystem::path file;
  std::string model;
  std::uint64_t dim = 0;
  std::uint64_t epoch = 0;
  std::string split;
  std::string filter;
  std::uint64_t max_triples = 0;
  std::string candidate_set;
  std::string candidate_digest;  ///< empty: all entities
  std::string graph_digest;
  std::vector<StoredQuery> queries;           ///< ascending, whatever partition the file is from
  std::vector<double> ranks;                  ///< ranks of each query, realistic tie rule
  std::vector<std::uint32_t> target_degrees;  ///< of each query: training triples that have the target
};

/// Reads it whole, 49 bytes per query. Throws Error(kMissingInput), Error(kBadData).
StoredEvaluation read_evaluation(const std::filesystem::path& file);

/// How much better the second of two evaluations of the same queries is.
struct Comparison {
  std::uint64_t triples = 0;
  std::uint64_t queries = 0;
  double first_mrr = 0;
  double second_mrr = 0;
  Interval difference;             ///< difference of second_mrr - first_mrr over the resamples; zeros without resamples
  double share_second_better = 0;  ///< resamples in which the second model is better, and half of the level ones
  double p_value =
      1;  ///< two-sided: how often chance alone makes a difference of this sign, (count + 1) / (resamples + 1)
  std::uint64_t better = 0;  ///< queries whose target the second ranks higher
  std::uint64_t worse = 0;
};

/// The paired bootstrap: both evaluations are resampled alike, by triples with Poisson(1) weights as for the interval
/// of one MRR (bootstrap.hpp), so what makes a query hard for both cancels out. Deterministic: threads change no bit.
/// Throws Error(kUsage) naming what differs when the two did not rank the same queries among the same candidates.
Comparison compare(const StoredEvaluation& first, const StoredEvaluation& second, BootstrapOptions options,
                   std::size_t threads);

/// Some lines for a person.
std::string to_text(const Comparison& comparison, const StoredEvaluation& first, const StoredEvaluation& second,
                    BootstrapOptions options);

/// Returns the comparison as one JSON object on one line.
std::string to_json(const Comparison& comparison, const StoredEvaluation& first, const StoredEvaluation& second,
                    BootstrapOptions options);

}  // namespace tessera::evaluate
