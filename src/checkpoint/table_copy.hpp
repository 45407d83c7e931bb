// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "storage/checksum.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace tessera::checkpoint {

/// A file that a rank has written.
struct SavedFile {
  std::filesystem::path path;
  storage::Digest digest;
};

/// What the file of a part is made of.
struct PartToSave {
  model::PartTable table;
  kernels::ConstMatrix average = {};        ///< without data: no average is kept
  std::optional<SavedFile> unchanged = {};  ///< of an earlier checkpoint: the part has not changed since
};

/// The parts of `parameters` where they lie.
std::vector<PartToSave> parts_to_save(const model::Parameters& parameters);

/// Memory for a copy of all parts of a rank: a checkpoint is written from the copy while training changes the parts.
class TableCopy {
 public:
  /// Takes memory of the pool, if all of it is free there; else none.
  TableCopy(const model::Parameters& parameters, memory::Pool& pool);

  [[nodiscard]] bool has_memory() const { return !memory_.empty(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  ///< that the copy takes, or would take
  /// Copies the parts as they are now; what comes back lies in this memory. The parameters are those of the
  /// constructor.
  std::vector<PartToSave> take(const model::Parameters& parameters, std::size_t threads);

 private:
  std::uint64_t bytes_ = 0;
  std::vector<memory::Buffer<std::byte>> memory_;  // of each part
};

}  // namespace tessera::checkpoint
