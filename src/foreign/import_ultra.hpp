// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "propagation/weights.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace tessera::foreign {

/// What was read.
struct ImportedUltra {
  std::uint64_t dim = 0;
  std::uint64_t numbers = 0;
};

/// All tensors of a .safetensors file. Throws Error as TensorFile does.
propagation::Tensors read_ultra_tensors(const std::string& file);

/// Checks the weights of ULTRA in a .safetensors file and writes ultra.h5 (docs/formats/ultra.md) into `folder`. Throws
/// Error as TensorFile and propagation::take_weights do.
ImportedUltra import_ultra(const std::string& file, const std::filesystem::path& folder);

}  // namespace tessera::foreign
