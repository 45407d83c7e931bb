// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace tessera::predict {

/// Which end of a triple is asked for.
enum class Side { kTail, kHead };

/// A query by name: (entity, relation, ?) or (?, relation, entity).
struct Question {
  std::string entity;
  std::string relation;
  Side side = Side::kTail;
  std::string where;                             ///< "queries.tsv:12" or "--query", for messages
  ExitStatus bad_status = ExitStatus::kBadData;  ///< status of an error in this question; kUsage for a typed question
};

/// Hands every question to a consumer, in order.
using QuestionSource = std::function<void(const std::function<void(const Question&)>&)>;

/// One question that was typed: `entity relation`, `entity relation ?` or `? relation entity`. The source throws
/// Error(kUsage).
QuestionSource typed_question(std::vector<std::string> words);

/// The questions of a UTF-8 text file or a pipe ("-" is standard input), read as a stream: one per line, the same forms
/// with tabs between. Empty lines and lines that begin with # and have no tab are skipped. Throws Error with file and
/// line: kMissingInput, kBadData.
QuestionSource question_file(std::filesystem::path file);

}  // namespace tessera::predict
