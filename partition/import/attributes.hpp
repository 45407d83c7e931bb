// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/temp_file.hpp"
#include "partition/import/triples.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::partition {

/// One value of one attribute of one entity. Numbers in order of appearance while spilled, ids (ranks of names) when
/// sorted.
struct AttributeRow {
  std::uint64_t entity = 0;
  std::uint32_t attribute = 0;
  std::uint32_t datatype = 0;
  std::string_view value;  ///< memory of the reader: valid until its next row
};

/// Rows in a temporary file, in the order in which they were added.
class AttributeFile {
 public:
  explicit AttributeFile(const std::filesystem::path& folder) : file_(folder) {}
  void add(const AttributeRow& row);
  /// Needed before reading.
  void finish() { file_.flush(); }
  [[nodiscard]] std::uint64_t size() const { return count_; }
  [[nodiscard]] std::uint64_t bytes() const { return file_.bytes(); }

  /// Reads rows from front to back; the file must outlive the reader.
  class Reader {
   public:
    explicit Reader(const AttributeFile& file) : Reader(file, 0, file.bytes(), std::size_t{1} << 20U) {}
    Reader(const AttributeFile& file, std::uint64_t offset, std::uint64_t bytes, std::size_t buffer_bytes)
        : reader_(file.file_, offset, bytes, buffer_bytes) {}
    /// False at the end.
    bool next(AttributeRow& row);

   private:
    TempReader reader_;
  };

 private:
  TempFile file_;
  std::uint64_t count_ = 0;
};

struct AttributeMaps {
  RankTable& entity_ranks;  ///< kNoRank: the row is dropped
  std::span<const std::uint64_t> attribute_ranks;
  std::span<const std::uint64_t> datatype_ranks;
};

struct AttributeCounts {
  std::uint64_t duplicates = 0;
  std::uint64_t without_entity = 0;  ///< rows of entities that are not kept
};

/// Sorts rows by attribute, entity, value, datatype in bounded memory; repeated rows are dropped.
AttributeFile sort_attributes(const AttributeFile& spilled, const AttributeMaps& maps, const SortSettings& settings,
                              AttributeCounts& counts);

}  // namespace tessera::partition
