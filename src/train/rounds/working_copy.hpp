// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "model/part_table.hpp"
#include "storage/atomic.hpp"
#include "storage/mapped_file.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <span>

namespace tessera::train {

/// The tables of all parts in files of one folder, one file for each part. The parameters of a rank are its own parts,
/// mapped; read() and write() move any part between its file and memory. All ranks use the same folder. The files of
/// the own parts are removed with this object, and the folder if nothing else is in it: what lasts are checkpoints.
class WorkingCopy final : public model::TableStore {
 public:
  /// Makes the folder if it is not there. Throws Error(kIo).
  explicit WorkingCopy(std::filesystem::path folder);
  ~WorkingCopy() override;
  WorkingCopy(const WorkingCopy&) = delete;
  WorkingCopy& operator=(const WorkingCopy&) = delete;

  /// Makes the file of a part of this rank. Throws Error(kIo) when the disk has no room for it.
  std::span<std::byte> allocate(PartId part, std::uint64_t bytes) override;
  void put_away(PartId part) override;

  /// Fills rows, hot rows and states of `table` with those of a part. Throws Error(kIo) that names the file. Several
  /// threads may move different parts.
  void read(PartId part, const model::PartTable& table) const;
  /// The way back. All processes of this host read the bytes when it has returned.
  void write(PartId part, const model::PartTable& table) const;

 private:
  [[nodiscard]] std::filesystem::path file_of(PartId part) const;

  /// It is removed when the program is told to end, too.
  struct Own {
    std::unique_ptr<storage::Temporary> removed;
    storage::MappedFile file;
  };
  std::filesystem::path folder_;
  std::map<PartId, Own> own_;
};

}  // namespace tessera::train
