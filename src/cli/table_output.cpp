// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/table_output.hpp"

#include "cli/option_checks.hpp"

namespace tessera::cli {

void TableOutput::check() const {
  tables::check_output(file);
  (void)chosen();
}

std::unique_ptr<tables::TableWriter> TableOutput::open(const std::vector<tables::Column>& columns) const {
  return tables::open_table({columns, chosen()}, file);
}

void add_table_output(const Parser& parser, TableOutput& output) {
  parser
      .add("-o,--output", output.file,
           "Write to a file; its ending says the format: .tsv .csv .jsonl .h5 .txt (docs/formats/tables.md)")
      .check(not_empty());
  parser.add("--format", output.format, "text, tsv, csv, jsonl or h5: a row per answer (default: by the file)")
      .check(one_of(tables::format_names()));
}

}  // namespace tessera::cli
