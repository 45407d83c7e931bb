// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/breakdown.hpp"
#include "evaluate/comparison.hpp"
#include "evaluate/group_intervals.hpp"
#include "graph/split.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::report {

struct EvaluationOptions {
  graph::Split split = graph::Split::kTest;
  std::uint64_t resamples = 1000;  ///< of the intervals of groups
  std::uint64_t relations = 100;   ///< relations with most queries that are shown
  std::size_t threads = 1;
};

/// The queries of a relation, a class or a bucket of degrees, both directions.
struct GroupFigures {
  std::uint64_t key = 0;       ///< of evaluate::Group
  std::string label;           ///< name of the relation, "1-N", "4-7"
  std::string relation_class;  ///< of a relation
  evaluate::GroupMean mrr;
  double tail_mrr = 0;  ///< 0 when there is no such query
  double head_mrr = 0;
  double hits_at_10 = 0;
};

/// Queries whose rank is from `first` to `last`.
struct RankRange {
  double first = 0;
  double last = 0;
  std::uint64_t queries = 0;
};

/// An evaluation-SPLIT.h5, and its figures by group.
struct EvaluationFigures {
  evaluate::StoredEvaluation stored;
  std::string command_line;  ///< that made it
  std::string time_utc;
  std::uint64_t entities = 0;
  std::uint64_t unseen_queries = 0;
  double mrr = 0;
  std::optional<evaluate::Interval> interval;           ///< none: evaluated without resamples
  std::vector<std::pair<std::string, double>> figures;  ///< evaluate::figures(), realistic tie rule, without the MRR
  double pessimistic_mrr = 0;
  std::uint64_t relations = 0;  ///< that have queries; `by` holds the first of them
  std::array<std::vector<GroupFigures>, 3> by;
  std::array<std::vector<std::uint32_t>, 3> groups;  ///< index in `by` of each query of `stored`, or kNoGroup
  std::vector<RankRange> histogram;

  [[nodiscard]] const std::vector<GroupFigures>& operator[](evaluate::Grouping grouping) const {
    return by.at(static_cast<std::size_t>(grouping));
  }
};

/// The names of relations by id; empty: not known.
using RelationNames = std::vector<std::string>;

/// Throws Error(kMissingInput), Error(kBadData).
EvaluationFigures read_evaluation_figures(const std::filesystem::path& file, const RelationNames& names,
                                          const EvaluationOptions& options);

}  // namespace tessera::report
