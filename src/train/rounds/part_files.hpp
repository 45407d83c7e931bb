// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "model/parameters.hpp"

#include <filesystem>
#include <span>
#include <utility>
#include <vector>

namespace tessera::train {

/// Moves parts between memory and the files that model::Parameters keep them in (RowMemory::folder). Several threads may
/// call it for different parts.
class PartFiles {
 public:
  explicit PartFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Fills rows, hot rows and states of `table` with those of a part. Throws Error(kIo) that names the file.
  void read(PartId part, const model::PartTable& table) const;
  /// The way back. The bytes are on their way to the disk when it returns, and every rank of this host reads them.
  void write(PartId part, const model::PartTable& table) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace tessera::train
