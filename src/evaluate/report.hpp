// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/evaluation.hpp"

#include <string>
#include <vector>

namespace tessera::evaluate {

/// The figures that a report shows beside those of the whole split.
struct ReportOptions {
  std::vector<Grouping> by;
  std::vector<std::string> relation_names;  ///< by id in graph.h5; needed for Grouping::kRelation
  std::string candidate_file;               ///< as it was named; empty: all entities
};

/// Tables for a person: the realistic tie rule by direction, the pessimistic one beside it, what was ranked among what,
/// and the groups that were asked for.
std::string to_text(const Evaluation& evaluation, const ReportOptions& options);

/// Returns the report with all tie rules as one JSON object on one line.
std::string to_json(const Evaluation& evaluation, const ReportOptions& options);

}  // namespace tessera::evaluate
