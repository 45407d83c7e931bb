// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/rereadable.hpp"

#include "core/error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

namespace tessera::storage {

Rereadable::Rereadable(const std::filesystem::path& file) : path_(file == "-" ? "/dev/stdin" : file) {
  std::error_code error;
  const auto status = std::filesystem::status(path_, error);
  if (!std::filesystem::exists(status)) fail(ExitStatus::kMissingInput, "'{}' does not exist", file.string());
  if (std::filesystem::is_directory(status)) fail(ExitStatus::kMissingInput, "'{}' is a folder", file.string());
  if (!std::filesystem::is_regular_file(status)) copy(path_);
}

Rereadable::~Rereadable() {
  if (descriptor_ >= 0) close(descriptor_);
}

void Rereadable::copy(const std::filesystem::path& pipe) {
  std::string name = (std::filesystem::temp_directory_path() / "tessera-XXXXXX").string();
  descriptor_ = mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) fail(ExitStatus::kIo, "'{}': no temporary file can be made: {}", name, std::strerror(errno));
  unlink(name.c_str());
  std::ifstream in(pipe, std::ios::binary);
  std::vector<char> block(std::size_t{1} << 16U);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    const auto count = static_cast<std::size_t>(in.gcount());
    for (std::size_t done = 0; done < count;) {
      const ssize_t written = write(descriptor_, block.data() + done, count - done);
      if (written < 0) fail(ExitStatus::kIo, "the copy of '{}' failed: {}", pipe.string(), std::strerror(errno));
      done += static_cast<std::size_t>(written);
    }
  }
  if (!in.eof()) fail(ExitStatus::kIo, "reading '{}' failed", pipe.string());
  path_ = fmt::format("/proc/self/fd/{}", descriptor_);
}

}  // namespace tessera::storage
