"""Prints the numbers of LossTests.softTargets: PyTorch's cross-entropy of probabilities, with its gradient."""
import torch

logits = torch.tensor([[-3.0, 1.5, 0, 0.25], [2, 4, -0.75, 1]], requires_grad=True)
targets = torch.tensor([[0.7, 0.3, 0, 0], [0, 0.25, 0.5, 0.25]])
for smoothing, weight in [(0.0, None), (0.1, torch.tensor([1.0, 2, 0.5, 3]))]:
    loss = torch.nn.functional.cross_entropy(logits, targets, weight=weight, label_smoothing=smoothing)
    print(loss.item(), torch.autograd.grad(loss, logits)[0].flatten().tolist())
