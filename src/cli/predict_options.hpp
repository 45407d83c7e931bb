// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/candidate_choice.hpp"
#include "cli/command_line.hpp"
#include "cli/table_output.hpp"
#include "comm/communicator.hpp"
#include "predict/answer_rows.hpp"
#include "predict/searcher.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tessera::cli {

/// The options of `predict`.
struct PredictOptions {
  std::string run;
  std::vector<std::string> overrides;
  std::vector<std::vector<std::string>> queries;
  std::string queries_file;
  std::string relation;  ///< pairs are asked for
  EntityChoice answers;
  EntityChoice heads = {.prefix = "--heads-"};
  EntityChoice tails = {.prefix = "--tails-"};
  TableOutput output;
  std::optional<std::uint64_t> epoch;
  std::vector<std::string> show;
  std::uint64_t k = 10;
  bool omit_known = false;
  bool json = false;
  [[nodiscard]] predict::KnownAnswers known() const {
    return omit_known ? predict::KnownAnswers::kOmit : predict::KnownAnswers::kMark;
  }
};

/// Collective. Prints or writes the best pairs of a relation.
void predict_pairs(comm::Communicator& comm, const PredictOptions& options);

}  // namespace tessera::cli
