"""What was found about each model: metrics, cost, behaviour, verdict, and the guards that stop a wrong comparison."""
