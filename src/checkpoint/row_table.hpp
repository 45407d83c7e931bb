// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/stored_rows.hpp"
#include "storage/hdf5.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::checkpoint {

/// Entity rows of a part in a file: in the format of the job, byte for byte as they lie in memory.

/// Writes rows without gaps. The root attribute `row_format` names their format.
void write_rows(storage::FileWriter& file, const std::string& path, const kernels::ConstStoredRows& rows);

/// Reads all rows. Rows in fp32 are rounded to the nearest where `rows` has another format. Throws Error(kBadData) for
/// another shape, Error(kUsage) for rows of another format.
void read_rows(const storage::FileReader& file, const std::string& path, const kernels::StoredRows& rows);

/// Reads rows of any format as fp32, some at a time.
class RowTableReader {
 public:
  /// `file` outlives this. Throws Error(kBadData) for a table that is not [rows, dim].
  RowTableReader(const storage::FileReader& file, std::string path, std::uint64_t rows, std::uint64_t dim);
  /// out [count, dim] = rows first .. first + count - 1; no checksum.
  void read(std::uint64_t first, const kernels::Matrix& out);

 private:
  const storage::FileReader& file_;
  std::string path_;
  kernels::RowFormat format_;
  std::vector<std::byte> bytes_;
};

}  // namespace tessera::checkpoint
