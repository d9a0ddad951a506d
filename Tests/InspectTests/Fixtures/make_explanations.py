"""PyTorch's explanations of a small network, as `explanations.safetensors`: run in this folder.

Needs torch and safetensors. Each map is computed from the papers' definitions with torch's own automatic
differentiation, without any of our code.
"""
import torch
from safetensors.torch import save_file
from torch import nn


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


torch.manual_seed(3)
net = nn.Sequential(
    nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1),
    nn.ReLU(), Mean(), nn.Linear(6, 5))
with torch.no_grad():
    for parameter in net.parameters():
        parameter.mul_(2)
    net[1].running_mean.uniform_(-0.5, 0.5)
    net[1].running_var.uniform_(0.5, 2)
    net[1].weight.uniform_(0.5, 1.5)
    net[1].bias.uniform_(-0.5, 0.5)
net.eval()
height, width, target = 12, 10, 3
x = torch.randn(1, 3, height, width)

tensors = {f"model.{key}": value.clone() for key, value in net.state_dict().items() if "num_batches" not in key}
tensors["input"] = x[0]
logits = net(x)
tensors["logits"] = logits[0].detach()

# Grad-CAM (Selvaraju et al., 2017) at the last feature maps.
features = net[:6](x).detach().requires_grad_()
net[6:](features)[0, target].backward()
weights = features.grad.mean((2, 3), keepdim=True)
cam = torch.relu((weights * features).sum(1))
tensors["grad_cam"] = cam[0].detach()
resized = nn.functional.interpolate(cam[None], size=(height, width), mode="bilinear", align_corners=False)
tensors["grad_cam_resized"] = resized[0, 0].detach()

# Saliency (Simonyan et al., 2014).
leaf = x.clone().requires_grad_()
net(leaf)[0, target].backward()
tensors["saliency"] = leaf.grad[0].abs().amax(0)

# Integrated gradients (Sundararajan et al., 2017), by the midpoint rule in 64 steps from zeros.
steps = 64
total = torch.zeros_like(x)
for step in range(steps):
    point = (x * (step + 0.5) / steps).requires_grad_()
    net(point)[0, target].backward()
    total += point.grad
tensors["integrated_gradients"] = (x * total / steps).sum(1)[0]
tensors["baseline_logits"] = net(torch.zeros_like(x))[0].detach()

# Occlusion (Zeiler and Fergus, 2014): zeros in patches of 2x2, one apart; the mean over the patches on each pixel.
sums, counts = torch.zeros(height, width), torch.zeros(height, width)
with torch.no_grad():
    for top in range(height - 1):
        for left in range(width - 1):
            covered = x.clone()
            covered[:, :, top:top + 2, left:left + 2] = 0
            drop = logits[0, target] - net(covered)[0, target]
            sums[top:top + 2, left:left + 2] += drop
            counts[top:top + 2, left:left + 2] += 1
tensors["occlusion"] = (sums / counts).detach()

save_file({key: value.contiguous() for key, value in tensors.items()}, "explanations.safetensors")
