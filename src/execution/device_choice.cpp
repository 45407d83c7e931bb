// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "execution/device_choice.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "device/choice.hpp"
#include "kernels/cpu/targets.hpp"
#include "memory/arena.hpp"

namespace tessera::execution {

using kernels::Products;

Products find_products(const std::string& products) {
  const std::string name = device_products(products);
  if (name == "chain") return Products::kChain;
  if (name == "fp32") return Products::kFp32;
  if (name == "tf32") return Products::kTf32;
  if (name == "bf16") return Products::kBfloat16;
  fail(ExitStatus::kUsage, "run.products '{}' is not known; it is one of: auto, chain, fp32, tf32, bf16", name);
}

std::string device_products(const std::string& products) { return products == "auto" ? "bf16" : products; }

const kernels::Backend& find_host_kernels(const std::string& products) {
  if (products != "bf16") return kernels::cpu_backend();
  if (!kernels::cpu::has_bfloat16_products())
    fail(ExitStatus::kUsage,
         "run.products 'bf16' needs a CPU with the instructions AVX512_BF16, and this one does not have them "
         "(instruction set in use: {}); use run.products=auto, which is fp32 on CPUs",
         kernels::cpu::target_name());
  return kernels::cpu_bfloat16_backend();
}

DeviceShare find_device(const Job& job, int rank_on_host, int ranks_on_host) {
  const int devices = device::device_count();
  const int index = device::choose(rank_on_host, devices, device::devices_of_job());
  const device::Device device = device::Device::open(index);
  const auto sharing = static_cast<std::uint64_t>((ranks_on_host - 1 - rank_on_host % devices) / devices) + 1;
  const std::uint64_t free_bytes = device.free_bytes();
  if (job.run.device_memory.empty())
    return {device, free_bytes / 8 * 7 / sharing, "free device memory", free_bytes, sharing > 1};
  const std::uint64_t bytes = text::parse_bytes(job.run.device_memory, "run.device_memory");
  memory::check_device_budget(bytes * sharing, free_bytes, device.properties().total_bytes);
  return {device, bytes, "run.device_memory", free_bytes, sharing > 1};
}

}  // namespace tessera::execution
