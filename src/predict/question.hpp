// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace tessera::predict {

/// What of a triple is asked for.
enum class Side { kTail, kHead, kRelation };
/// "tail", "head", "relation".
const char* name(Side side);

/// A query by name: (entity, relation, ?), (?, relation, entity) or (entity, ?, other).
struct Question {
  std::string entity;
  std::string relation;  ///< empty where the relation is asked for
  Side side = Side::kTail;
  std::string other = {};                        ///< the tail where the relation is asked for, else empty
  std::string where;                             ///< "queries.tsv:12" or "--query", for messages
  ExitStatus bad_status = ExitStatus::kBadData;  ///< status of an error in this question; kUsage for a typed question
};

/// Hands every question to a consumer, in order.
using QuestionSource = std::function<void(const std::function<void(const Question&)>&)>;

/// Questions that were typed, of two or three words each: `entity relation`, `entity relation ?`, `? relation entity`
/// or `entity ? entity`. The source throws Error(kUsage).
QuestionSource typed_questions(std::vector<std::vector<std::string>> questions);

/// The questions of a UTF-8 text file or pipe, "-" for standard input, read as a stream: one per line, the same forms
/// with tabs between. Empty lines are skipped, and lines without a tab that begin with #. Throws Error with file and
/// line: kMissingInput, kBadData.
QuestionSource question_file(std::filesystem::path file);

}  // namespace tessera::predict
