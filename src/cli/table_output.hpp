// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command_line.hpp"
#include "tables/table.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tessera::cli {

/// Where a table goes: a file, or standard output.
struct TableOutput {
  std::string file;
  std::string format;
  [[nodiscard]] bool is_given() const { return !file.empty() || !format.empty(); }
  /// Throws Error(kUsage) when the ending of the file says none.
  [[nodiscard]] tables::Format chosen() const { return tables::choose_format(format, file); }
  /// Throws for an output that cannot be, before anything is computed: Error(kUsage), Error(kMissingInput), Error(kIo).
  void check() const;
  [[nodiscard]] std::unique_ptr<tables::TableWriter> open(const std::vector<tables::Column>& columns) const;
};

/// Adds --output and --format.
void add_table_output(const Parser& parser, TableOutput& output);

}  // namespace tessera::cli
