// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/options.hpp"
#include "partition/import/text_reader.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::partition {

/// How a file of columns is read, and what must be said about it.
struct ColumnChoice {
  TextFormat format;
  std::string description;       ///< "columns separated by comma, the first line is a header"
  std::string hint;              ///< which guesses a bad line may come from, and the options that override them
  bool may_have_header = false;  ///< nothing tells whether the first line is one
  std::optional<std::uint64_t> stated_count;  ///< of triples, by a first line that holds a number only
};

/// Decides for a file that starts with `sample`. `name` is for messages. Throws Error(kUsage) for columns that are not
/// there.
ColumnChoice choose_columns(const ImportOptions& options, TextFormat::Content content, const std::string& name,
                            std::string_view sample);

/// Throws Error(kUsage) for options about columns that contradict each other.
void check_columns(const ImportOptions& options);

}  // namespace tessera::partition
