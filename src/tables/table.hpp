// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace tessera::tables {

/// A value of a table; nothing where a row has none.
using Cell = std::variant<std::monostate, std::string, std::uint64_t, float, double>;
using Row = std::vector<Cell>;

enum class Type { kText, kWhole, kFloat, kDouble };
struct Column {
  std::string name;
  Type type = Type::kText;
  std::string meaning = {};  ///< for HDF5
};

enum class Format {
  kText,   ///< columns side by side, for a terminal
  kTsv,    ///< tabs between; in a value a tab, line feed, carriage return or backslash is \t, \n, \r or \\ .
  kCsv,    ///< RFC 4180
  kJsonl,  ///< an object per line
  kHdf5,   ///< docs/formats/tables.md
};
/// "text", "tsv", "csv", "jsonl", "h5".
const std::vector<std::string>& format_names();
/// The format of that name; without a name that of the extension of `file`; else text. Throws Error(kUsage) when the
/// extension is of none, or HDF5 is asked for without a file.
Format choose_format(const std::string& name, const std::filesystem::path& file);

/// Rows as they come, to a file that is whole or not there, or to standard output.
class TableWriter {
 public:
  virtual ~TableWriter() = default;
  /// As many cells as columns, of their types or nothing.
  virtual void append(const Row& row) = 0;
  /// The table is complete. Throws Error(kIo).
  virtual void finish() = 0;
};

/// The form of a table.
struct Layout {
  std::vector<Column> columns;
  Format format = Format::kText;
};
/// `file` empty: standard output. Text and HDF5 are kept in memory until they are complete. Throws Error: kMissingInput
/// when the folder of the file is not there, kUsage when it is a folder, kIo.
std::unique_ptr<TableWriter> open_table(const Layout& layout, const std::filesystem::path& file);

/// Throws as open_table() does for a file that cannot be made, before anything is computed.
void check_output(const std::filesystem::path& file);

}  // namespace tessera::tables
