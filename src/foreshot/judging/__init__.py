"""What was found about each model: metrics, cost, behaviour on probes, and the guards that stop a wrong comparison."""
