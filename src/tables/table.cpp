// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tables/table.hpp"

#include "core/error.hpp"
#include "storage/atomic.hpp"
#include "tables/detail/hdf5_table.hpp"
#include "tables/detail/lines.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

namespace tessera::tables {
namespace {

/// Lines of text in a file or on standard output.
class LinesTable final : public TableWriter {
 public:
  LinesTable(Layout layout, const std::filesystem::path& file) : layout_(std::move(layout)), path_(file) {
    if (!file.empty()) {
      file_.emplace(file);
      out_.open(file_->temporary(), std::ios::binary);
      if (!out_) storage::fail_writing(path_);
    }
    write(detail::header(layout_));
  }

  void append(const Row& row) override {
    if (layout_.format == Format::kText)
      rows_.push_back(row);
    else
      write(detail::line(layout_, row));
  }

  void finish() override {
    if (layout_.format == Format::kText) write(detail::side_by_side(layout_, rows_));
    if (!file_) return;
    out_.close();
    if (!out_) storage::fail_writing(path_);
    file_->commit();
  }

 private:
  void write(const std::string& text) {
    if (!file_)
      std::fwrite(text.data(), 1, text.size(), stdout);
    else if (!out_.write(text.data(), static_cast<std::streamsize>(text.size())))
      storage::fail_writing(path_);
  }

  Layout layout_;
  std::filesystem::path path_;
  std::optional<storage::AtomicFile> file_;
  std::ofstream out_;
  std::vector<Row> rows_;  // of text
};

Format format_of(const std::string& name) {
  const std::vector<std::string>& names = format_names();
  return static_cast<Format>(std::find(names.begin(), names.end(), name) - names.begin());
}

}  // namespace

const std::vector<std::string>& format_names() {
  static const std::vector<std::string> names = {"text", "tsv", "csv", "jsonl", "h5"};
  return names;
}

Format choose_format(const std::string& name, const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  const auto is = [&](const char* some) { return extension == some; };
  Format format = Format::kText;
  if (!name.empty())
    format = format_of(name);
  else if (is(".h5") || is(".hdf5"))
    format = Format::kHdf5;
  else if (is(".tsv") || is(".csv") || is(".jsonl"))
    format = format_of(extension.substr(1));
  else if (!file.empty() && !is(".txt"))
    fail(ExitStatus::kUsage,
         "the ending of '{}' says no format: choose one with --format, or an ending: .tsv, .csv, .jsonl, .h5, .txt",
         file.string());
  if (format == Format::kHdf5 && file.empty())
    fail(ExitStatus::kUsage, "HDF5 is written to a file: name it with --output");
  return format;
}

void check_output(const std::filesystem::path& file) {
  if (file.empty()) return;
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (std::filesystem::is_directory(file) || !file.has_filename())
    fail(ExitStatus::kUsage, "'{}' is a folder; --output names a file", file.string());
  if (!std::filesystem::is_directory(folder))
    fail(ExitStatus::kMissingInput, "folder '{}' for the output does not exist", folder.string());
  if (::access(folder.c_str(), W_OK) != 0)
    fail(ExitStatus::kIo, "folder '{}' for the output cannot be written to: {}", folder.string(), std::strerror(errno));
  storage::require_writable(folder);
}

std::unique_ptr<TableWriter> open_table(const Layout& layout, const std::filesystem::path& file) {
  check_output(file);
  if (layout.format == Format::kHdf5) return std::make_unique<detail::Hdf5Table>(layout.columns, file);
  return std::make_unique<LinesTable>(layout, file);
}

}  // namespace tessera::tables
